"""What exports of other tools hold beside plain boxes is taken, or told with its place."""

import json
import re
import unicodedata

import numpy as np
import pytest
import written_formats as formats
from PIL import Image
from small_sets import changed, coco, write_coco

from resblock_backbones.data.annotations.check import check_coco
from resblock_backbones.data.errors import DatasetError
from resblock_backbones.data.formats.checking import check_folder
from resblock_backbones.data.formats.recognise import read_folder
from resblock_backbones.data.formats.writing import write_label_maps, write_objects


def told(folder):
    """All lines of a check, or the one that stops it."""
    try:
        return [line for lines in check_folder(folder).found.values() for line in lines]
    except DatasetError as error:
        return [str(error)]


def edit_json(folder, change):
    file = sorted(folder.rglob("*.json"))[0]
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


POLYGONS = {
    "numbered": "<polygon><x1>3</x1><y1>4</y1><x2>12</x2><y2>4</y2><x3>12</x3><y3>9</y3></polygon>",
    "points": "<polygon>"
    + "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((3, 4), (12, 4), (12, 9)))
    + "</polygon>",
}


@pytest.mark.parametrize("form", POLYGONS)
def test_polygons_of_pascal_voc_are_masks_and_boxes(tmp_path, form):
    formats.as_voc(tmp_path)
    file = tmp_path / "Annotations/3.xml"
    file.write_text(re.sub("<bndbox>.*?</bndbox>", POLYGONS[form], file.read_text()))
    [image] = [one for one in read_folder(tmp_path).images if one.file.stem == "3"]
    for one in image.objects:
        assert one.box == (3, 4, 9, 5) and one.mask == [[3, 4, 12, 4, 12, 9]]
    assert told(tmp_path) == []
    last = "<x3>12</x3><y3>9</y3>|<pt><x>12</x><y>9</y></pt>"
    file.write_text(re.sub(last, "", file.read_text()))
    assert "3.xml, object 0: its polygon is not of three points" in told(tmp_path)[0]


def test_two_images_that_an_annotation_may_be_of_are_told(tmp_path):
    formats.as_voc(tmp_path / "voc")
    file = tmp_path / "voc/Annotations/3.xml"
    file.write_text(file.read_text().replace("<filename>3.png", "<filename>4.png"))
    assert "3.xml: its 'filename' is '4.png', and 3.png is there too" in told(tmp_path / "voc")[0]
    formats.as_labelme(tmp_path / "labelme")
    edit_json(tmp_path / "labelme", lambda content: content.update(imagePath="4.png"))
    lines = told(tmp_path / "labelme")
    assert any("4.png: is annotated twice" in line for line in lines)
    assert any("1 images that no annotation names, the first" in line for line in lines)


@pytest.mark.parametrize(
    "write",
    [formats.as_yolo, formats.as_voc, formats.as_cvat, formats.as_labelme,
     formats.as_label_studio, formats.as_roboflow_coco, formats.as_coco_without_a_split],
)  # fmt: skip
def test_images_that_no_annotation_names_are_counted(tmp_path, write):
    write(tmp_path)
    (tmp_path / "more").mkdir()
    image = sorted(tmp_path.rglob("*.png"))[0]
    (tmp_path / "more/unnamed.png").write_bytes(image.read_bytes())
    reason = f"images that no annotation names, the first {tmp_path / 'more/unnamed.png'}"
    assert any(f"left out: 1 {reason}" in line for line in told(tmp_path))
    written = write_objects(read_folder(tmp_path), tmp_path / "out")
    assert f"left out: 1 {reason}" in written.notes


def test_an_object_that_stands_twice_is_told(tmp_path):
    formats.as_voc(tmp_path)
    file = tmp_path / "Annotations/3.xml"
    one = re.search("<object>.*?</object>", file.read_text())[0]
    file.write_text(file.read_text().replace(one, 2 * one, 1))
    assert (
        "3.png, an object of 'cat': its box [5.0, 3.0, 8.0, 6.0] occurs twice" in told(tmp_path)[0]
    )


@pytest.mark.parametrize(
    ("write", "change", "message"),
    [
        (formats.as_labelme, lambda c: c.update(shapes=None), "0.json: its 'shapes' is null"),
        (
            formats.as_labelme,
            lambda c: c["shapes"][0].update(label="__ignore__"),
            "left out: 1 shapes labelled '__ignore__'",
        ),
        (formats.as_labelme, lambda c: c["shapes"][0].update(label="a\nb"), "cannot be printed"),
        (
            formats.as_label_studio_min,
            lambda c: [task.update(label="cat") for task in c],
            "left out: 8 labels that are texts: of the whole image",
        ),
        (
            formats.as_label_studio,
            lambda c: c[0]["annotations"][0]["result"][1]["value"]["rectanglelabels"].append("cow"),
            "left out: 1 further labels of a region: the first one is taken",
        ),
        (
            formats.as_label_studio,
            lambda c: c[0]["annotations"][0]["result"][1].update(value=None),
            "task 0: a region is broken: its 'value' is null",
        ),
        (formats.as_label_studio, lambda c: c.insert(0, None), "task 0: names no image"),
    ],
)  # fmt: skip
def test_what_json_exports_hold_is_told(tmp_path, write, change, message):
    write(tmp_path)
    edit_json(tmp_path, change)
    assert any(message in line for line in told(tmp_path)), told(tmp_path)


def test_regions_in_text_and_a_label_outside_of_a_list_are_read(tmp_path):
    def in_text(content):
        for task in content:
            task["label"][0]["polygonlabels"] = "cat"
            task["label"] = json.dumps(task["label"])

    formats.as_label_studio_min(tmp_path)
    edit_json(tmp_path, in_text)
    data = read_folder(tmp_path)
    assert data.classes == ["cat", "dog"] and sum(len(one.objects) for one in data.images) == 16
    assert told(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('<points label="dog" points="1,1"/>', '<box label="dog" ytl="1"/>', "has no 'xtl'"),
        ('<points label="dog" points="1,1"/>', '<polygon label="dog" points="1,1;2;3,3"/>',
         "points are two numbers each"),
    ],
)  # fmt: skip
def test_broken_shapes_of_cvat_are_told_with_their_image(tmp_path, old, new, message):
    formats.as_cvat(tmp_path)
    file = tmp_path / "annotations.xml"
    file.write_text(file.read_text().replace(old, new, 1))
    lines = told(tmp_path)
    assert f"{file}, image '0.png'" in lines[0] and message in lines[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"info": {}, "categories": {}, "items": []},
            "annotations of Datumaro, which are not read",
        ),
        ({"a.png1": {"filename": "a.png", "regions": []}}, "annotations of VIA, which"),
        ([{"image": "a.png", "annotations": []}], "annotations of CreateML, which"),
        ({"images": {}, "categories": []}, "no COCO JSON, its 'images' is {}, no list"),
    ],
)
def test_formats_that_are_not_read_are_named(tmp_path, content, message):
    formats.images(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert message in told(tmp_path)[0] and "Traceback" not in told(tmp_path)[0]


def test_tables_are_named(tmp_path):
    formats.images(tmp_path)
    (tmp_path / "_annotations.csv").write_text("filename,width,height,class\n")
    assert "_annotations.csv may hold annotations; tables are not read" in told(tmp_path)[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nan 0.5 0.5 0.2 0.2", "line 3: class nan is none of the 2"),
        ("inf 0.5 0.5 0.2 0.2", "line 3: class inf is none of the 2"),
    ],
)
def test_a_class_of_yolo_that_is_no_number_is_told_with_its_place(tmp_path, line, message):
    formats.as_yolo(tmp_path)
    file = tmp_path / "labels/train/3.txt"
    file.write_text(file.read_text() + line + "\n")
    assert message in told(tmp_path)[0]


def test_names_of_yolo_that_are_none_or_stand_twice_are_told(tmp_path):
    formats.as_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [[cat], [dog]]\n")
    assert "'names' has ['cat']: write the name in quotes" in told(tmp_path)[0]
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_text("cat\ncat\n")
    assert "classes.txt: has the class 'cat' twice" in told(tmp_path)[0]


# --- COCO: names and areas ---


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a\x00.png", r"'a\x00.png', with characters that cannot be printed"),
        ("3.png\n", r"'3.png\n', with characters that cannot be printed"),
        ("\ud800.png", r"'\ud800.png', with characters that cannot be printed"),
        (5000 * "a", "longer than any name of a file"),
    ],
)
def test_names_that_no_file_can_have_are_told(tmp_path, name, message):
    write_coco(tmp_path, changed(coco(), "images", 3, file_name=name))
    for line in (told(tmp_path)[0], *told(tmp_path / "a.json")):
        assert "images[3] (id 4): its 'file_name' is" in line and message in line
        assert "\n" not in line
    write_coco(tmp_path, changed(coco(), "categories", 0, name=name))
    if len(name) < 100:
        assert "categories[0] (id 3): its 'name' is" in told(tmp_path)[0]


def test_a_name_in_another_unicode_form_or_with_another_suffix_is_told(tmp_path):
    content = changed(coco(), "images", 3, file_name=unicodedata.normalize("NFC", "\u00e9.png"))
    write_coco(tmp_path, content)
    (tmp_path / "3.png").rename(tmp_path / unicodedata.normalize("NFD", "\u00e9.png"))
    assert r"another Unicode form ('e\u0301.png' on the disk, '\xe9.png' here)" in told(tmp_path)[0]
    formats.as_coco_without_a_split(tmp_path / "b")
    for file in tmp_path.glob("b/pictures/*.png"):
        file.rename(file.with_suffix(".PNG"))
    assert (
        f"{tmp_path / 'b/pictures/0.png'}: there is no such image; there is '0.PNG'"
        in (told(tmp_path / "b")[0])
    )


def test_masks_of_some_objects_are_a_warning_and_broken_ones_an_error(tmp_path):
    file = write_coco(tmp_path, changed(coco(), "annotations", 2, segmentation=[]))
    [line] = told(tmp_path)
    assert "annotations[2] (id 3): has no mask: a model of masks cannot learn from it" in line
    assert not check_folder(tmp_path).found["error"]
    assert check_coco(file, tmp_path, masks=True).document.findings.of("error")
    write_coco(tmp_path, changed(coco(), "annotations", 2, segmentation=[[1, 2, 3, 4]]))
    assert "has 2 points, fewer than 3" in check_folder(tmp_path).found["error"][0]


def test_an_area_that_is_a_small_part_of_its_mask_is_told(tmp_path):
    write_coco(tmp_path, changed(coco(), "annotations", 3, area=20))
    assert "annotations[3] (id 4): its 'area' is 20, that of its mask 72" in told(tmp_path)[0]
    write_coco(tmp_path, changed(coco(), "annotations", 3, area=60))
    assert told(tmp_path) == []


def test_a_folder_without_an_object_is_told_with_what_was_left_out(tmp_path):
    formats.as_labelme(tmp_path)
    for file in tmp_path.glob("*.json"):
        content = json.loads(file.read_text())
        content["shapes"] = content["shapes"][2:]
        file.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="LabelMe without an object .left out: 8 shapes of type"):
        write_objects(read_folder(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert np.array_equal(read_folder(tmp_path).classes, [])


# --- CVAT's label maps, whose classes are colours ---


COLOURS = [(0, 0, 0), (128, 0, 0)]


def coloured(folder, mode, order=(0, 1)):
    """Label maps as colours; a palette may have them in another order than the list."""
    formats.as_masks(folder)
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::", "cat:128,0,0::"]
    (folder / "labelmap.txt").write_text("\n".join(lines))
    for file in folder.glob("masks/*.png"):
        labels = np.array(Image.open(file))
        if mode == "P":
            image = Image.fromarray(np.asarray(order, np.uint8)[labels])
            image.putpalette([part for number in order for part in COLOURS[number]])
        else:
            image = Image.fromarray(np.asarray(COLOURS, np.uint8)[labels]).convert(mode)
        image.save(file)


@pytest.mark.parametrize(
    ("mode", "order"), [("RGB", (0, 1)), ("RGBA", (0, 1)), ("P", (0, 1)), ("P", (1, 0))]
)
def test_colours_of_cvat_become_the_numbers_of_its_list(tmp_path, mode, order):
    coloured(tmp_path / "data", mode, order)
    assert told(tmp_path / "data") == []
    written = write_label_maps(read_folder(tmp_path / "data"), tmp_path / "out")
    assert written.classes == ["background", "cat"]
    assert written.counts == {"background": 6 * (24 * 32 - 120), "cat": 6 * 120}
    for file in (tmp_path / "out/labels").glob("*.png"):
        labels = np.array(Image.open(file))
        assert labels.ndim == 2 and [(labels == one).sum() for one in (0, 1)] == [648, 120]


def test_a_colour_that_the_list_lacks_is_told_with_its_file(tmp_path):
    coloured(tmp_path, "RGB")
    file = tmp_path / "masks/3_mask.png"
    pixels = np.array(Image.open(file))
    pixels[:2] = (0, 64, 0)
    Image.fromarray(pixels).save(file)
    [line] = told(tmp_path)
    assert f"{file}: 64 pixels have the colour (0, 64, 0), which labelmap.txt does not list" in line
    (tmp_path / "labelmap.txt").write_text("a:0,0,0::\nb:0,0,0::\n")
    assert "labelmap.txt: two classes have the colour (0, 0, 0)" in told(tmp_path)[0]
