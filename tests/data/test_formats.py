"""The same images with the same boxes in each format are the same objects after reading."""

import json
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import written_formats as formats
from PIL import Image

from resblock_backbones.data.annotations.check import check_coco
from resblock_backbones.data.errors import DatasetError
from resblock_backbones.data.formats.checking import check_folder
from resblock_backbones.data.formats.recognise import read_folder, recognise
from resblock_backbones.data.formats.writing import write_label_maps, write_objects

WRITERS = {
    "yolo": formats.as_yolo,
    "yolo polygons": formats.as_yolo_polygons,
    "roboflow yolo": formats.as_roboflow_yolo,
    "voc": formats.as_voc,
    "labelme": formats.as_labelme,
    "cvat": formats.as_cvat,
    "label studio": formats.as_label_studio,
    "label studio min": formats.as_label_studio_min,
    "roboflow coco": formats.as_roboflow_coco,
    "coco without a split": formats.as_coco_without_a_split,
}
WITH_A_SPLIT = {"yolo", "yolo polygons", "roboflow yolo", "voc", "roboflow coco"}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_the_objects_are_the_same_in_each_format(tmp_path, name):
    source, out = tmp_path / "data", tmp_path / "out"
    WRITERS[name](source)
    before = contents(source)
    written = write_objects(read_folder(source), out)
    assert contents(source) == before
    assert written.classes == ["cat", "dog"] and set(written.files) == {"train", "val"}
    assert written.images == {"train": 6, "val": 2}
    seen = 0
    for file in written.files.values():
        checked = check_coco(file, written.root, classes=written.classes)
        assert not list(checked.document.findings)
        names = {one["id"]: one["name"] for _, one in checked.document.categories}
        for _, image in checked.document.images:
            number = int(Path(image["file_name"]).stem.split("-")[-1])
            found = sorted(
                (names[one["category_id"]], one["bbox"])
                for _, one in checked.document.annotations
                if one["image_id"] == image["id"]
            )
            wanted = sorted(formats.objects_of(number))
            assert [label for label, _ in found] == [label for label, _ in wanted]
            np.testing.assert_allclose(
                [box for _, box in found], [box for _, box in wanted], atol=0.5
            )
            seen += 1
    assert seen == 8
    if name in WITH_A_SPLIT:
        val = json.loads(written.files["val"].read_text())
        assert [Path(one["file_name"]).stem for one in val["images"]] == ["6", "7"]
    else:
        assert any("no split: 2 of 8 images drawn for val, seed 0" in one for one in written.notes)


def test_masks_are_taken_over_where_there_are_some(tmp_path):
    for name in ("yolo polygons", "cvat", "coco without a split"):
        source = tmp_path / name
        WRITERS[name](source)
        written = write_objects(read_folder(source), tmp_path / f"{name} out")
        assert written.has_masks
        checked = check_coco(written.files["train"], written.root, masks=True)
        assert not list(checked.document.findings)


def test_what_is_dropped_is_counted(tmp_path):
    for name, reason in {
        "labelme": "left out: 8 shapes of type 'point'",
        "cvat": "left out: 8 points: no object with an extent",
        "label studio": "left out: 8 regions of type 'choices'",
        "roboflow coco": "left out: 2 the root category 'pets'",
    }.items():
        WRITERS[name](tmp_path / name)
        written = write_objects(read_folder(tmp_path / name), tmp_path / f"{name} out")
        assert any(note.startswith(reason) for note in written.notes), written.notes


def test_voc_counts_from_one_where_its_numbers_say_so(tmp_path):
    """Boxes from 1 to the last pixel, as Pascal VOC itself has them."""
    formats.as_voc(tmp_path, first=1)
    file = tmp_path / "Annotations/0.xml"
    text = file.read_text()
    file.write_text(text.replace("<xmin>3</xmin><ymin>4", "<xmin>1</xmin><ymin>4", 1))
    boxes = [one.box for one in read_folder(tmp_path).images[1].objects]
    assert boxes == [tuple(box) for _, box in formats.objects_of(1)]


# --- label maps ---


@pytest.mark.parametrize("on", [1, 255])
def test_masks_in_folders_are_label_maps(tmp_path, on):
    formats.as_masks(tmp_path / "data", on)
    before = contents(tmp_path / "data")
    written = write_label_maps(read_folder(tmp_path / "data"), tmp_path / "out")
    assert contents(tmp_path / "data") == before
    assert written.classes == ["background", "class 1"]
    names = {split: file.read_text().split() for split, file in written.files.items()}
    assert sorted(names["train"] + names["val"]) == sorted(map(str, range(8)))
    pixels = 0
    for name in names["train"]:
        assert Path(written.folders[0], name + written.suffixes[0]).is_file()
        labels = np.array(Image.open(Path(written.folders[1], name + written.suffixes[1])))
        assert set(np.unique(labels)) == {0, 1}
        pixels += int(labels.sum())
    assert pixels == written.counts["class 1"] == 6 * (48 + 72)
    assert any("0 and 255: rewritten" in note for note in written.notes) == (on == 255)


# --- what cannot be read ---


def refused(folder, **options):
    with pytest.raises(DatasetError) as caught:
        data = read_folder(folder, **options)
        data.findings.refuse_errors()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders_without_annotations_or_with_two_kinds_are_told(tmp_path):
    assert "there is no such folder" in refused(tmp_path / "gone")
    formats.images(tmp_path / "a")
    assert "no annotations that are known here" in refused(tmp_path / "a")
    formats.as_yolo(tmp_path / "b")
    formats.as_voc(tmp_path / "b")
    assert "in several formats, yolo and voc: choose one with --format yolo" in refused(
        tmp_path / "b"
    )
    assert read_folder(tmp_path / "b", format="voc").format == "Pascal VOC"
    assert "has no label maps, but yolo" in refused(tmp_path / "b", masks=True)
    formats.as_masks(tmp_path / "c")
    assert list(recognise(tmp_path / "c")) == ["masks"]
    assert "has label maps alone" in refused(tmp_path / "c", masks=False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2", "has 4 numbers, neither a box"),
        ("0 0.5 0.5 0.2 0.2 0.9", "has 6 numbers: a prediction with its score"),
        ("2 0.5 0.5 0.2 0.2", "class 2 is none of the 2"),
        ("-1 0.5 0.5 0.2 0.2", "class -1 is none of the 2"),
        ("cat 0.5 0.5 0.2 0.2", "are not all numbers"),
        ("0 16 12 8 6", "holds 16, no fraction of the image"),
        ("0 nan 0.5 0.2 0.2", "holds nan, no fraction"),
        ("0 0.5 0.5 0 0.2", "has a box of 0 x 0.2"),
    ],
)
def test_a_broken_line_of_yolo_is_told_with_its_place(tmp_path, line, message):
    formats.as_yolo(tmp_path)
    file = tmp_path / "labels/train/3.txt"
    file.write_text(file.read_text() + line + "\n")
    told = refused(tmp_path)
    assert f"{file}, line 3" in told and message in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path: /home/me/pets\ntrain: images/train\nnames: [cat, dog]\n", "of another machine"),
        ("train: /srv/images/train\nnames: [cat, dog]\n", "there is no /srv/images/train here"),
        ("train: images/train\nnames: {0: cat, 2: dog}\n", "are not 0, 1, 2"),
        ("train: images/train\nnames: [cat, cat]\n", "has the class 'cat' twice"),
        ("train: images/train\nnames: [cat]\nnc: 2\n", "nc is 2, and 'names' has 1"),
        ("names: [cat, dog]\n", "names no images"),
        ("names: [cat\n", "is no YAML"),
    ],
)
def test_a_broken_data_yaml_is_told(tmp_path, text, message):
    formats.as_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text(text)
    assert message in refused(tmp_path)


def test_missing_images_and_broken_files_are_told(tmp_path):
    formats.as_voc(tmp_path / "voc")
    (tmp_path / "voc/JPEGImages/4.png").unlink()
    assert "4.xml: there is no image '4.png'" in refused(tmp_path / "voc")
    (tmp_path / "voc/Annotations/4.xml").write_text("<annotation><object>")
    assert "4.xml: is no whole XML" in refused(tmp_path / "voc")
    formats.as_cvat(tmp_path / "cvat")
    (tmp_path / "cvat/images/2.png").write_bytes(b"no image")
    assert "2.png: the file is no image" in refused(tmp_path / "cvat")
    formats.as_yolo(tmp_path / "yolo")
    (tmp_path / "yolo/images/train/1.png").unlink()
    data = read_folder(tmp_path / "yolo")
    assert data.dropped["text files without an image"] == 1


# --- what every reader has in common ---


def edited(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


POINTS = '<points label="dog" points="1,1"/>'


@pytest.mark.parametrize(
    ("write", "file", "old", "new", "message"),
    [
        (formats.as_voc, "Annotations/3.xml", "<xmin>5", "<xmin>nan", "is no box"),
        (formats.as_voc, "Annotations/3.xml", "<xmax>", "<xmax>9", "reaches beyond the image"),
        (formats.as_labelme, "3.json", '"points": [[5, 14]', '"points": [[NaN, 14]', "is no box"),
        (formats.as_labelme, "3.json", '[[5, 14], [14, 22]]', "[[1, 1]]", "(1 points)"),
        (formats.as_labelme, "3.json", '[[5, 14], [14, 22]]', "null", "'points' of two numbers"),
        (formats.as_cvat, "annotations.xml", 'label="cat" ', "", "its class is '', no name"),
        (formats.as_cvat, "annotations.xml", 'label="cat"', 'label="cow"', "does not list"),
        (formats.as_cvat, "annotations.xml", 'label="dog" rle', 'label="Cat" rle', "in case or sp"),
        (formats.as_cvat, "annotations.xml", 'rle="0, 72"', 'rle="0, 71"', "run lengths of 71"),
        (formats.as_cvat, "annotations.xml", 'rle="0, 72"', f'rle="0, {10**15}"', "run lengths of"),
        (formats.as_cvat, "annotations.xml", 'left="2"', 'left="30"', "beyond the image of 32x24"),
        (
            formats.as_cvat, "annotations.xml", POINTS,
            '<polygon label="dog" points="1,1;3,3"/>', "2 points, fewer than 3",
        ),
        (
            formats.as_cvat, "annotations.xml", POINTS,
            '<box label="dog" xtl="9" ytl="9" xbr="3" ybr="3"/>', "has no area",
        ),
        (formats.as_label_studio, "project.json", '"x": 6.25', '"x": NaN', "is no box"),
        (formats.as_label_studio, "project.json", '"height": 33', '"hi": 33', "has no 'height'"),
        (formats.as_yolo, "data.yaml", "0: cat", "0: yes", "'names' has true: write the name in q"),
        (formats.as_yolo, "data.yaml", "train: images/train", "train: a.txt", "no such image"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_object_is_told_in_every_format(
    tmp_path, write, file, old, new, message
):
    write(tmp_path)
    (tmp_path / "a.txt").write_text("/home/me/pets/images/0.png\n")
    edited(tmp_path / file, old, new)
    try:
        told = [one.line for one in read_folder(tmp_path).findings]
    except DatasetError as error:
        told = [str(error)]
    assert any(message in line for line in told), told


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ('{"images": [', "at line 1, column 13"),
        ('{"images": [], "annotations": []}', "it has 'images', 'annotations'; COCO's has"),
        ('[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.3}]', "holds predictions"),
        ("null", "its top is a NoneType"),
    ],
)
def test_a_json_that_is_no_annotations_is_named_with_the_reason(tmp_path, content, message):
    formats.images(tmp_path)
    (tmp_path / "a.json").write_text(content)
    told = refused(tmp_path)
    assert told.startswith(f"{tmp_path / 'a.json'}: ") and message in told


def test_half_a_json_beside_good_ones_is_not_passed_over(tmp_path):
    formats.as_labelme(tmp_path)
    file = tmp_path / "3.json"
    file.write_text(file.read_text()[:40])
    assert f"{file}: no COCO JSON" in refused(tmp_path)


def test_images_that_are_links_keep_their_own_names(tmp_path):
    formats.as_yolo(tmp_path / "data")
    (tmp_path / "store").mkdir()
    for number, image in enumerate(sorted(tmp_path.glob("data/images/*/*.png"))):
        image.symlink_to(image.rename(tmp_path / f"store/{number + 10}.png"))
    written = write_objects(read_folder(tmp_path / "data"), tmp_path / "out")
    assert written.root == tmp_path / "data/images"
    val = json.loads(written.files["val"].read_text())
    assert [one["file_name"] for one in val["images"]] == ["val/6.png", "val/7.png"]


def test_images_of_two_splits_are_counted(tmp_path):
    formats.as_yolo(tmp_path / "yolo")
    edited(tmp_path / "yolo/data.yaml", "val: images/val", "val: [images/val, images/train]")
    data = read_folder(tmp_path / "yolo")
    assert data.dropped["images of val that are also of train"] == 6
    formats.as_voc(tmp_path / "voc")
    (tmp_path / "voc/ImageSets/Main/train.txt").write_text("0.png\n1 1\n6\ngone\n")
    data = read_folder(tmp_path / "voc")
    assert data.dropped["images of val that are also of train"] == 1
    assert data.dropped["names in ImageSets/Main without an XML file"] == 1
    assert any("4 images of no split" in one for one in write_objects(data, tmp_path / "o").notes)


def test_faults_of_one_kind_are_one_line(tmp_path):
    formats.as_yolo(tmp_path)
    for file in tmp_path.glob("labels/*/*.txt"):
        file.write_text("\n".join(f"cat{line[1:]}" for line in file.read_text().splitlines()))
    assert len(list(read_folder(tmp_path).findings)) == 1


def test_a_yolo_folder_without_labels_is_told_where_they_are_looked_for(tmp_path):
    formats.as_yolo(tmp_path)
    (tmp_path / "labels").rename(tmp_path / "boxes")
    assert "none of 8 images has a text file of labels: for" in refused(tmp_path)


def boxes_as(folder, write):
    formats.as_yolo(folder)
    for file in folder.glob("labels/*/*.txt"):
        rows = [line.split() for line in file.read_text().splitlines()]
        lines = [f"{label} {' '.join(map(str, write(*map(float, row))))}" for label, *row in rows]
        file.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda x, y, w, h: (x - w / 2, y - h / 2, x + w / 2, y + h / 2), "look like x1 y1 x2 y2"),
        (lambda x, y, w, h: (x - w / 2, y - h / 2, w, h), "look like left, top, width, height"),
        (lambda x, y, w, h: (0.98, y, w, h), "16 of 16 boxes reach beyond their image"),
    ],
)
def test_yolo_boxes_of_another_kind_are_told_with_a_guess(tmp_path, write, message):
    boxes_as(tmp_path, write)
    assert message in refused(tmp_path)


def test_capital_letters_of_labels_are_told(tmp_path):
    formats.as_yolo(tmp_path / "a")
    (tmp_path / "a/labels").rename(tmp_path / "a/Labels")
    assert "a/Labels, in capital letters" in refused(tmp_path / "a")
    formats.as_yolo(tmp_path / "b")
    for file in tmp_path.glob("b/labels/*/*.txt"):
        file.rename(file.with_suffix(".TXT"))
    assert ".TXT, in capital letters" in refused(tmp_path / "b")


def test_the_yaml_that_names_images_is_read_and_utf_16_too(tmp_path):
    formats.as_yolo(tmp_path)
    (tmp_path / "a.yaml").write_text("names: [cow]\n")
    file = tmp_path / "labels/train/3.txt"
    file.write_text(file.read_text(), encoding="utf-16")
    data = read_folder(tmp_path)
    assert not list(data.findings) and sum(len(one.objects) for one in data.images) == 16


def test_a_split_without_objects_is_told(tmp_path):
    formats.as_yolo(tmp_path)
    for file in tmp_path.glob("labels/val/*.txt"):
        file.write_text("")
    assert "none of the 2 images of val has an object" in refused(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images/train\nname: [cat]\n", "data.yaml: has no 'names' of classes"),
        (None, "looks like YOLO's, and there is no data.yaml or classes.txt"),
    ],
)
def test_what_a_yolo_folder_lacks_is_named(tmp_path, text, message):
    formats.as_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    if text:
        (tmp_path / "data.yaml").write_text(text)
    assert message in refused(tmp_path)


def labelled(folder, width, height):
    """Label Studio's export with the size that images had when they were labelled."""
    formats.as_label_studio(folder)
    tasks = json.loads((folder / "project.json").read_text())
    for task in tasks:
        for region in task["annotations"][0]["result"]:
            region |= {"original_width": width, "original_height": height}
    (folder / "project.json").write_text(json.dumps(tasks))


def test_original_sizes_of_label_studio_are_compared_with_the_files(tmp_path):
    for width, height in ((32, 24), (640, 480), (65, 49)):
        folder = tmp_path / f"{width}"
        labelled(folder, width, height)
        data = read_folder(folder)
        assert not list(data.findings)
        assert [tuple(one.box) for one in data.images[0].objects] == [
            tuple(box) for _, box in formats.objects_of(0)
        ]
    labelled(tmp_path / "turned", 24, 32)
    assert "was 24x32 when it was labelled, and is 32x24" in refused(tmp_path / "turned")


@pytest.mark.parametrize("seed", range(8))
def test_no_damage_of_a_json_export_ends_in_a_traceback(tmp_path, seed):
    """A random value of an export becomes another one, ten times; what is told is one line."""
    rng = random.Random(seed)
    write = [formats.as_label_studio, formats.as_label_studio_min, formats.as_labelme][seed % 3]
    write(tmp_path)
    file = sorted(tmp_path.glob("*.json"))[0]
    whole = file.read_text()
    for _ in range(10):
        content = json.loads(whole)
        parts = list(containers(content))
        part = rng.choice(parts)
        key = rng.choice(list(part) if isinstance(part, dict) else range(len(part)))
        part[key] = rng.choice([None, True, -1, 1e30, float("nan"), "", "x", [], {}, [[1, 2]]])
        file.write_text(json.dumps(content))
        try:
            told = [one.line for one in read_folder(tmp_path).findings]
        except DatasetError as error:
            told = [str(error)]
        assert all("\n" not in line for line in told)


def containers(content):
    """All lists and objects in a JSON that are not empty."""
    inner = content.values() if isinstance(content, dict) else content
    if isinstance(content, dict | list) and content:
        yield content
        for one in inner:
            yield from containers(one)


def test_an_archive_and_a_file_of_a_folder_are_told_or_taken(tmp_path):
    formats.as_yolo(tmp_path)
    assert read_folder(tmp_path / "data.yaml").format == "YOLO"
    (tmp_path / "pets.zip").write_bytes(b"PK")
    assert "is packed; unpack it" in refused(tmp_path / "pets.zip")


def test_hidden_json_files_are_passed_over_by_the_check_too(tmp_path):
    formats.as_roboflow_coco(tmp_path)
    (tmp_path / ".state").mkdir()
    (tmp_path / ".state/half.json").write_text('{"images": [')
    assert len(read_folder(tmp_path).images) == 8
    assert check_folder(tmp_path).tables


def mapped(folder, function):
    formats.as_masks(folder)
    for file in folder.glob("masks/*.png"):
        function(file, np.array(Image.open(file)))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda file, one: Image.fromarray(one * 254).save(file), "hold 0, 254: a class for every"),
        (lambda file, one: Image.fromarray(one * 0).save(file), "hold 0 alone"),
        (lambda file, one: file.write_bytes(b"no image"), "the file is no image"),
        (lambda file, one: Image.fromarray(one[:9]).save(file), "_mask.png is 32x9"),
        (
            lambda file, one: Image.fromarray(one.astype(np.float32)).save(
                file.rename(file.with_suffix(".tif"))
            ),
            "_mask.tif: is of mode F",
        ),
        (
            lambda file, one: Image.fromarray(one * 255).save(
                file.rename(file.with_suffix(".jpg")), format="JPEG"
            ),
            "_mask.jpg: is a JPEG",
        ),
    ],
)
def test_broken_label_maps_of_a_folder_are_told_before_anything_is_written(
    tmp_path, function, message
):
    mapped(tmp_path / "data", function)
    with pytest.raises(DatasetError, match=message.replace(".", r"\.")) as caught:
        write_label_maps(read_folder(tmp_path / "data"), tmp_path / "out")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_images_of_several_suffixes_and_without_a_map_are_taken_and_counted(tmp_path):
    formats.as_masks(tmp_path)
    Image.open(tmp_path / "images/1.png").save(tmp_path / "images/1.jpg")
    (tmp_path / "masks/2_mask.png").unlink()
    written = write_label_maps(read_folder(tmp_path), tmp_path / "out")
    assert "left out: 1 images without a label map" in written.notes
    names = [name for file in written.files.values() for name in file.read_text().split()]
    assert {"1.jpg", "1.png"} < set(names) and len(names) == 8
    for name in names:
        assert Path(written.folders[0], name + written.suffixes[0]).is_file()
        assert Path(written.folders[1], name + written.suffixes[1]).is_file()


def test_cityscapes_names_are_known(tmp_path):
    formats.as_masks(tmp_path)
    for folder, ending in (("images", "_leftImg8bit"), ("masks", "_gtFine_labelIds")):
        for file in (tmp_path / folder).glob("*.png"):
            file.rename(file.with_name(file.stem.removesuffix("_mask") + ending + ".png"))
    assert len(read_folder(tmp_path).pairs) == 8


def test_the_lists_of_voc_split_label_maps_and_maps_of_instances_are_no_images(tmp_path):
    formats.as_masks(tmp_path)
    (tmp_path / "images").rename(tmp_path / "JPEGImages")
    for name in ("SegmentationObject", "SegmentationClass"):
        (tmp_path / name).mkdir()
        for file in (tmp_path / "masks").glob("*.png"):
            shutil.copy(file, tmp_path / name / file.name.replace("_mask", ""))
    shutil.rmtree(tmp_path / "masks")
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("".join(f"{number}\n" for number in range(6)))
    (lists / "val.txt").write_text("6\n7\n")
    data = read_folder(tmp_path)
    assert [split for _, _, split in data.pairs] == ["train"] * 6 + ["val"] * 2
    assert all(labels.parent.name == "SegmentationClass" for _, labels, _ in data.pairs)
    assert not data.unpaired and not data.without_map and not list(data.findings)
    (tmp_path / "SegmentationObject").rename(tmp_path / "objects")
    assert "have the name of one label map" in read_folder(tmp_path).findings.of("error")[0].line


def test_label_maps_beside_their_images_are_roboflows(tmp_path):
    formats.as_masks(tmp_path)
    for split, numbers in {"train": range(6), "valid": range(6, 8)}.items():
        (tmp_path / split).mkdir()
        for number in numbers:
            (tmp_path / f"images/{number}.png").rename(tmp_path / split / f"{number}_png.rf.a.png")
            labels = tmp_path / f"masks/{number}_mask.png"
            labels.rename(tmp_path / split / f"{number}_png.rf.a_mask.png")
        (tmp_path / split / "_classes.csv").write_text("Pixel Value, Class\n0, ground\n1, cat\n")
    data = read_folder(tmp_path)
    assert data.classes == ["ground", "cat"] and len(data.pairs) == 8
    assert [split for _, _, split in data.pairs].count("val") == 2 and not data.without_map


@pytest.mark.parametrize("way", ["fractions in place of pixels", "fractions in place of percent"])
def test_boxes_in_another_unit_are_told_in_every_format(tmp_path, way):
    if way == "fractions in place of pixels":
        formats.as_voc(tmp_path)
        for file in (tmp_path / "Annotations").glob("*.xml"):
            in_pixels = r"<([xy]m..)>([0-9.]+)<"
            fraction = lambda one: f"<{one[1]}>{float(one[2]) / 100}<"  # noqa: E731
            file.write_text(re.sub(in_pixels, fraction, file.read_text()))
        message = "look like fractions of the image"
    else:
        formats.as_label_studio(tmp_path)
        for image in tmp_path.glob("*.png"):
            Image.open(image).resize((320, 240)).save(image)
        file = tmp_path / "project.json"
        tasks = json.loads(file.read_text())
        for task in tasks:
            region = task["annotations"][0]["result"][1]
            task["annotations"][0]["result"] = [region]
            for key in ("x", "y", "width", "height"):
                region["value"][key] /= 100
        file.write_text(json.dumps(tasks))
        message = "in the upper left corner of their images: fractions in place of percent?"
    assert message in read_folder(tmp_path).findings.of("error")[0].line


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("path: /home/anna/pets\ntrain: images/train\n", "write 'images/train' and no 'path'"),
        ("train: C:\\pets\\images\\train\n", "write 'images/train'"),
        ("train: /data/elsewhere\n", "write it relative to"),
    ],
)
def test_paths_of_another_machine_are_told_with_what_is_here(tmp_path, text, cure):
    formats.as_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text(text + "val: images/val\nnames: [cat, dog]\n")
    assert cure in refused(tmp_path)


def test_what_exports_leave_out_is_told(tmp_path):
    formats.as_labelme(tmp_path / "labelme")
    file = tmp_path / "labelme/0.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"imageData": "aGFsbG8="}))
    (tmp_path / "labelme/0.png").unlink()
    [error] = read_folder(tmp_path / "labelme").findings.of("error")
    assert "its 'imageData' holds it" in error.line
    formats.as_label_studio(tmp_path / "studio")
    file = tmp_path / "studio/project.json"
    tasks = json.loads(file.read_text())
    tasks[3]["annotations"] = []
    file.write_text(json.dumps(tasks))
    dropped = read_folder(tmp_path / "studio").dropped
    assert dropped["tasks without an annotation: taken as without objects"] == 1


def test_classes_of_another_split_and_label_maps_without_an_image_are_told(tmp_path):
    formats.as_voc(tmp_path / "voc")
    file = tmp_path / "voc/Annotations/7.xml"
    file.write_text(file.read_text().replace("<name>cat<", "<name>cats<"))
    [warning] = read_folder(tmp_path / "voc").findings.of("warning")
    assert "val has 1 objects of 'cats', and train has none to learn from" in warning.line
    formats.as_masks(tmp_path / "masks")
    for file in (tmp_path / "masks/masks").glob("*.png"):
        file.rename(file.with_name(f"{file.stem}_other.png"))
    assert "looks like a label map, and there is no image of its name" in refused(
        tmp_path / "masks"
    )
