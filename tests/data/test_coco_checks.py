"""Every value of an annotation file that is read is checked; what is certain is repaired."""

import copy
import json
import re

import numpy as np
import pytest
from PIL import Image
from small_sets import CLASSES, changed, coco, write_coco

from resblock_backbones.data.annotations.check import check_coco, write_copy
from resblock_backbones.data.annotations.classes_check import class_names
from resblock_backbones.data.annotations.masks import outline, run_counts
from resblock_backbones.data.annotations.usage import Rules, check_usage, usage_of
from resblock_backbones.data.errors import DatasetError
from resblock_backbones.data.images.reading import Loader

ANNOTATION, IMAGE, CATEGORY = "annotations", "images", "categories"


def check(folder, content, **options):
    options = {"classes": CLASSES, "masks": True} | options
    return check_coco(write_coco(folder, content), folder, **options).document


def lines(document, level):
    return [one.line for one in document.findings.of(level)]


def test_of_a_correct_file_nothing_is_said(tmp_path):
    assert list(check(tmp_path, coco()).findings) == []


# part, values, what the one error has to hold
BROKEN = [
    (ANNOTATION, {"id": ...}, "annotations[3]: has no 'id'"),
    (ANNOTATION, {"id": 2}, "annotations[3]: has the id 2 of annotations[1]"),
    (ANNOTATION, {"id": None}, "annotations[3]: its 'id' is null"),
    (ANNOTATION, {"id": [4]}, "annotations[3]: its 'id' is [4]"),
    (ANNOTATION, {"image_id": ...}, "has no 'image_id'"),
    (ANNOTATION, {"image_id": 99}, "is 99, which is not among 'images'"),
    (ANNOTATION, {"image_id": "2"}, "is '2', which is not among 'images'; there is 2, of another"),
    (ANNOTATION, {"image_id": [1]}, "annotations[3] (id 4): its 'image_id' is [1], neither"),
    (ANNOTATION, {"image_id": {}}, "its 'image_id' is {}, neither"),
    (ANNOTATION, {"image_id": True}, "its 'image_id' is true"),
    (ANNOTATION, {"category_id": 4}, "is 4, which is not among 'categories'"),
    (ANNOTATION, {"category_id": None}, "its 'category_id' is null"),
    (ANNOTATION, {"bbox": ...}, "annotations[3] (id 4): has no 'bbox'"),
    (ANNOTATION, {"bbox": [1, 2, 3]}, "not [x, y, width, height]"),
    (ANNOTATION, {"bbox": "1 2 3 4"}, "not [x, y, width, height]"),
    (ANNOTATION, {"bbox": [1, 2, float("nan"), 4]}, "its width is nan"),
    (ANNOTATION, {"bbox": [1, float("inf"), 3, 4]}, "its y is inf"),
    (ANNOTATION, {"bbox": [1, 2, "3", 4]}, "its width is '3', text and no number"),
    (ANNOTATION, {"bbox": [1, 2, 3, None]}, "its height is null"),
    (ANNOTATION, {"bbox": [1, 2, -3, 4]}, "its width is -3, negative"),
    (ANNOTATION, {"bbox": [1, 2, True, 4]}, "its width is true"),
    (ANNOTATION, {"area": "72"}, "its 'area' is '72', text"),
    (ANNOTATION, {"area": float("nan")}, "its 'area' is nan"),
    (ANNOTATION, {"area": -1}, "its 'area' is -1, negative"),
    (ANNOTATION, {"iscrowd": "0"}, "its 'iscrowd' is '0', neither 0 nor 1"),
    (ANNOTATION, {"iscrowd": 2}, "its 'iscrowd' is 2"),
    (ANNOTATION, {"ignore": "no"}, "its 'ignore' is 'no'"),
    (ANNOTATION, {"segmentation": ...}, "has no 'segmentation', and masks are learnt"),
    (ANNOTATION, {"segmentation": []}, "its 'segmentation' is []"),
    (ANNOTATION, {"segmentation": None}, "its 'segmentation' is null"),
    (ANNOTATION, {"segmentation": [[1, 2]]}, "polygon 0 has 1 points"),
    (ANNOTATION, {"segmentation": [[1, 2, 3, 4]]}, "polygon 0 has 2 points"),
    (ANNOTATION, {"segmentation": [1, 2, 3, 4, 5, 6]}, "is one flat list"),
    (ANNOTATION, {"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "has 7 numbers, an odd count"),
    (ANNOTATION, {"segmentation": [[1, 2, 3, 4, 5, "6"]]}, "a coordinate is '6', text"),
    (ANNOTATION, {"segmentation": [[[1, 2], [3, 4], [5, 6]]]}, "has points in lists of their own"),
    (ANNOTATION, {"segmentation": [{"x": 1}]}, "polygon 0 is {'x': 1}, no list"),
    (ANNOTATION, {"segmentation": {"size": [9, 9], "counts": [81]}}, "its image [24, 32]"),
    (ANNOTATION, {"segmentation": {"size": [24, 32], "counts": [5]}}, "5 pixels, its image 768"),
    (ANNOTATION, {"segmentation": {"size": [24, 32], "counts": "\u00e9"}}, "characters that no"),
    (ANNOTATION, {"segmentation": {"counts": [768]}}, "has the 'size' null"),
    (ANNOTATION, {"segmentation": "0120"}, "neither polygons nor run lengths"),
    (IMAGE, {"id": ...}, "images[3]: has no 'id'"),
    (IMAGE, {"id": 2}, "images[3]: has the id 2 of images[1]"),
    (IMAGE, {"id": [2]}, "images[3]: its 'id' is [2]"),
    (IMAGE, {"id": None}, "images[3]: its 'id' is null"),
    (IMAGE, {"file_name": ...}, "images[3] (id 4): has no 'file_name'"),
    (IMAGE, {"file_name": ""}, "its 'file_name' is '', no name"),
    (IMAGE, {"file_name": 3}, "its 'file_name' is 3, no name"),
    (IMAGE, {"file_name": "gone.png"}, "gone.png: there is no such image"),
    (IMAGE, {"file_name": "3.PNG"}, "there is no such image; there is '3.png'"),
    (IMAGE, {"file_name": "3.jpg"}, "there is no such image; there is '3.png'"),
    (IMAGE, {"file_name": "up\\3.png"}, "backslashes, which only Windows takes"),
    (IMAGE, {"width": "32"}, "its 'width' is '32', text"),
    (IMAGE, {"width": -1}, "its 'width' is -1, no positive"),
    (IMAGE, {"height": 0}, "its 'height' is 0, no positive"),
    (IMAGE, {"width": 31.5}, "its 'width' is 31.5, no positive whole"),
    (IMAGE, {"width": 33}, "33x24 (width x height), that of the file as it is loaded 32x24"),
    (IMAGE, {"width": 24, "height": 32}, "24x32 (width x height), that of the file"),
    (CATEGORY, {"id": 3}, "categories[1]: has the id 3 of categories[0]"),
    (CATEGORY, {"id": None}, "categories[1]: its 'id' is null"),
    (CATEGORY, {"name": ...}, "categories[1] (id 5): has no 'name'"),
    (CATEGORY, {"name": 7}, "its 'name' is 7, no name"),
    (
        CATEGORY,
        {"name": "cat"},
        "categories[1] (id 5): has the name 'cat' of the category with id 3",
    ),
    (CATEGORY, {"name": "Dog "}, "has no category 'dog' of classes; it has 'cat', 'Dog '; did you"),
]


@pytest.mark.parametrize(("part", "values", "message"), BROKEN, ids=lambda one: str(one)[:40])
def test_a_broken_value_is_told_with_its_place(tmp_path, part, values, message):
    number = 1 if part == CATEGORY else 3
    document = check(tmp_path, changed(coco(), part, number, **values))
    told = lines(document, "error")
    assert message in told[0] and told[0].startswith(f"{tmp_path / 'a.json'}: ")
    with pytest.raises(DatasetError) as caught:
        document.findings.refuse_errors()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "its top is a list"),
        ({"images": []}, "no list 'categories'"),
        (coco() | {"images": {}}, "no list 'images'"),
        (coco() | {"images": []}, "'images': is empty"),
        (coco() | {"categories": None}, "no list 'categories'"),
        (coco() | {"annotations": 3}, "no list 'annotations'"),
    ],
)
def test_what_is_no_coco_file_is_told(tmp_path, content, message):
    with pytest.raises(DatasetError, match=message):
        check(tmp_path, content)


@pytest.mark.parametrize("part", [IMAGE, CATEGORY, ANNOTATION])
@pytest.mark.parametrize("value", [None, 3, "text", []])
def test_an_entry_that_is_no_object_is_told(tmp_path, part, value):
    content = coco()
    content[part][1] = value
    assert f"{part}[1]: is a" in lines(check(tmp_path, content), "error")[0]


# --- boxes that are written another way ---


def converted(function):
    content = coco()
    for one in content["annotations"]:
        one["bbox"] = function(*one["bbox"])
    return content


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, y, w, h: [x, y, x + w, y + h], "look like x1 y1 x2 y2"),
        (lambda x, y, w, h: [x / 32, y / 24, w / 32, h / 24], "look like fractions of the image"),
        (lambda x, y, w, h: [(x + w / 2) / 32, (y + h / 2) / 24, w / 32, h / 24], "fractions"),
        (lambda x, y, w, h: [3 * x, 3 * y, 3 * w, 3 * h], "leave their images in .* another scale"),
    ],
)
def test_boxes_of_another_kind_are_told_with_a_guess(tmp_path, function, message):
    document = check(tmp_path, converted(function), masks=False)
    assert len(lines(document, "error")) == 1
    with pytest.raises(DatasetError, match=message):
        document.findings.refuse_errors()


@pytest.mark.parametrize(
    ("write", "way"),
    [
        (lambda x, y, w, h: [y, x, h, w], "y x height width"),
        (lambda x, y, w, h: [x, y, x + w, y + h], "x1 y1 x2 y2"),
        (lambda x, y, w, h: [y, x, y + h, x + w], "y1 x1 y2 x2"),
        (lambda x, y, w, h: [x + w / 2, y + h / 2, w, h], "centre x, centre y, width, height"),
    ],
)
@pytest.mark.parametrize("masks", [True, False])
def test_masks_tell_of_some_boxes_how_they_are_written(tmp_path, write, way, masks):
    content = coco()
    for one in content[ANNOTATION][2::2]:  # those of the upper half, which stay in their image
        one["bbox"] = write(*one["bbox"])
    [error] = lines(check(tmp_path, content, masks=masks), "error")
    assert re.search(rf"[4-7] of 16 boxes look like {way}, as their masks show", error)


def test_masks_of_nothing_and_masks_elsewhere_are_errors_where_they_are_most(tmp_path):
    content = coco()
    for one in content[ANNOTATION]:
        one["segmentation"] = [[2, 3, 10, 3, 6, 3]]
    [error] = lines(check(tmp_path, content), "error")
    assert "16 of 16 masks cover no pixel, the first that of annotations[0] (id 1)" in error
    for one in content[ANNOTATION]:
        one["segmentation"] = [[0, 0, 0.5, 0, 0.5, 0.5]]
    [error] = lines(check(tmp_path, content), "error")
    assert "16 of 16 boxes lie elsewhere than their masks" in error


def test_a_box_without_area_and_an_area_without_a_box_are_warnings(tmp_path):
    content = changed(coco(), ANNOTATION, 3, bbox=[3, 14, 0, 8], segmentation=...)
    content = changed(content, ANNOTATION, 5, area=0.1)
    told = lines(check(tmp_path, content, masks=False), "warning")
    assert [line.split(": ", 1)[1] for line in told] == [
        "annotations[3] (id 4): its 'bbox' [3, 14, 0, 8] has no area: not learnt, always missed",
        "annotations[5] (id 6): its 'area' is 0.1, that of its box 72",
    ]


def test_one_box_that_leaves_its_image_is_a_warning(tmp_path):
    content = changed(coco(), ANNOTATION, 3, bbox=[25, 10, 12, 8], segmentation=...)
    document = check(tmp_path, content, masks=False)
    assert not lines(document, "error")
    assert "annotations[3] (id 4): its 'bbox'" in lines(document, "warning")[0]
    assert "5 pixels beyond the image of 32x24" in lines(document, "warning")[0]


def test_a_mask_elsewhere_than_its_box_and_a_wrong_area_are_warnings(tmp_path):
    document = check(tmp_path, changed(coco(), ANNOTATION, 3, bbox=[20, 2, 9, 8]))
    assert "its 'bbox' is [20, 2, 9, 8], that of its mask [3" in lines(document, "warning")[0]
    document = check(tmp_path, changed(coco(), ANNOTATION, 3, area=500))
    assert "its 'area' is 500, that of its box 72" in lines(document, "warning")[0]


# --- files that are right for the layer below, or certain to repair ---


def repaired(folder, content, **options):
    document = check(folder, content, **options)
    assert not lines(document, "error"), lines(document, "error")
    return json.loads(write_copy(document, folder / "run").read_text()), lines(document, "note")


def without(key):
    content = coco()
    for one in content["annotations"]:
        del one[key]
    return content


def test_what_is_missing_and_certain_is_filled_in(tmp_path):
    for key in ("iscrowd", "area"):
        content, notes = repaired(tmp_path, without(key))
        assert content == coco() and f"has no '{key}'" in notes[0] and "and 15 more" in notes[0]
    content, notes = repaired(tmp_path, changed(coco(), ANNOTATION, 3, area=0, iscrowd=None))
    assert content == coco() and len(notes) == 2
    content = coco()
    del content["images"][2]["width"]
    assert repaired(tmp_path, content)[0] == coco()


@pytest.mark.parametrize("first", [0, -3, "text"])
def test_annotation_ids_that_evaluation_cannot_use_are_numbered(tmp_path, first):
    content = coco()
    for number, one in enumerate(content["annotations"]):
        one["id"] = f"{first}{number}" if first == "text" else first + number
    assert repaired(tmp_path, content)[0] == coco()


def test_the_original_is_never_touched_and_the_copy_is_the_same_each_time(tmp_path):
    file = write_coco(tmp_path, without("iscrowd"))
    before = file.read_bytes()
    first, second = (
        write_copy(check_coco(file, tmp_path).document, tmp_path / "run") for _ in range(2)
    )
    assert first == second and file.read_bytes() == before


def test_categories_follow_the_classes_by_name(tmp_path):
    content = coco()
    content["categories"].reverse()
    copied, notes = repaired(tmp_path, content)
    assert [one["name"] for one in copied["categories"]] == list(CLASSES)
    assert copied == coco() and "labels go by name" in notes[0]
    copied, _ = repaired(tmp_path, coco(), classes=("dog", "cat"))
    assert [one["id"] for one in copied["categories"]] == [5, 3]
    # A subset, in the file's order, leaves the file as it is.
    assert list(check(tmp_path, coco(), classes=("dog",)).findings) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_pycocotools_cannot_read_is_copied(tmp_path, encoding):
    file = write_coco(tmp_path)
    file.write_text(file.read_text(), encoding=encoding)
    checked = check_coco(file, tmp_path)
    assert checked.repaired
    assert json.loads(write_copy(checked.document, tmp_path / "run").read_bytes()) == coco()


# --- images ---


def test_a_turned_photo_is_told_with_both_sizes_and_the_way_out(tmp_path):
    file = write_coco(tmp_path)
    image = Image.open(tmp_path / "2.png")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "2.png", exif=exif)
    told = lines(check_coco(file, tmp_path).document, "error")
    assert "32x24 (width x height), that of the file as it is loaded 24x32" in told[0]
    assert "color_type='color_ignore_orientation'" in told[0]
    unturned = Loader("color_ignore_orientation")
    assert not list(check_coco(file, tmp_path, loader=unturned).document.findings)


def test_pixels_that_a_loader_turns_into_something_else_are_told(tmp_path):
    file = write_coco(tmp_path)
    Image.fromarray(np.zeros((24, 32), np.uint16)).save(tmp_path / "2.png")
    assert not list(check_coco(file, tmp_path).document.findings)
    told = lines(check_coco(file, tmp_path, loader=Loader(backend="pillow")).document, "error")
    assert "2.png: its samples are of 16 bits, of which Pillow makes a white image" in told[0]


# --- classes ---


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cat", r"write \('cat',\)"),
        (3, "is 3: write a tuple of names"),
        (["cat", 3], r"\[1\] is 3, no name"),
        (["cat", "dog", "cat"], "has 'cat' twice"),
    ],
)
def test_classes_have_to_be_names(given, message):
    with pytest.raises(DatasetError, match=message):
        class_names(given, "metainfo.classes")


# --- what is used ---


def used(folder, content, **rules):
    document = check(folder, content, masks=False)
    usage = usage_of(document, Rules(**({"classes": CLASSES} | rules)))
    check_usage(usage, document.findings, training=True, title="train")
    return usage, document


def test_what_is_left_out_is_counted_with_the_reason(tmp_path):
    content = coco()
    for number, values in {
        0: {"iscrowd": 1},
        1: {"ignore": 1},
        2: {"bbox": [3, 3, 0.5, 6]},
        3: {"bbox": [40, 3, 5, 6]},
    }.items():
        content["annotations"][number] |= values
    usage, document = used(tmp_path, content, filter_empty_gt=True)
    assert (usage.objects, usage.all_objects, usage.images) == (12, 16, 8)
    assert usage.per_class == {"cat": (6, 6), "dog": (6, 6)}
    table = usage.table("train")
    assert table.splitlines()[0] == "train: 8 of 8 images, 12 of 16 objects"
    for reason in ("'iscrowd'", "'ignore'", "narrower than a pixel", "outside of their image"):
        assert f"left out: 1 objects: {reason}" in table or reason in table
    assert any("25% of the objects are left out" in line for line in lines(document, "warning"))


def test_nothing_left_is_an_error_and_an_empty_class_a_warning(tmp_path):
    content = coco()
    for one in content["annotations"]:
        one["iscrowd"] = 1
    _, document = used(tmp_path, content)
    assert "0 of 16 objects are used" in lines(document, "error")[0]
    assert "16 marked with 'iscrowd'" in lines(document, "error")[0]
    content = coco()
    content["annotations"] = [one for one in content["annotations"] if one["category_id"] == 3]
    _, document = used(tmp_path, content)
    assert "no objects of 1 of 2 classes: 'dog'" in lines(document, "warning")[0]
    content["annotations"] = content["annotations"][:3]
    _, document = used(tmp_path, content, filter_empty_gt=True)
    assert any("62% of the images are left out" in line for line in lines(document, "warning"))


def test_the_loader_of_mmdetection_counts_the_same(tmp_path):
    mmdet = pytest.importorskip("mmdet.datasets")
    content = coco()
    for number, values in {
        0: {"iscrowd": 1},
        2: {"bbox": [3, 3, 0.5, 6]},
        3: {"bbox": [40, 3, 5, 6]},
        6: {"category_id": 5},
    }.items():
        content["annotations"][number] |= values
    content["annotations"] = content["annotations"][:-4]
    for classes in (("cat", "dog"), ("dog",)):
        usage, document = used(tmp_path, copy.deepcopy(content), classes=classes)
        usage = usage_of(document, Rules(classes, filter_empty_gt=True))
        built = mmdet.CocoDataset(
            ann_file=str(tmp_path / "a.json"),
            data_prefix={"img": str(tmp_path)},
            metainfo={"classes": classes},
            filter_cfg={"filter_empty_gt": True},
            pipeline=[],
        )
        infos = [built.get_data_info(number) for number in range(len(built))]
        seen = [one for info in infos for one in info["instances"] if not one["ignore_flag"]]
        assert (len(infos), len(seen)) == (usage.images, usage.objects)
        for label, name in enumerate(classes):
            count = sum(one["bbox_label"] == label for one in seen)
            assert count == usage.per_class[name][0]


# --- masks ---


def test_run_lengths_are_those_of_pycocotools():
    coco_mask = pytest.importorskip("pycocotools.mask")
    dice = np.random.default_rng(0)
    for _ in range(200):
        height, width = dice.integers(1, 40, 2)
        mask = dice.random((height, width)) < dice.random() ** 2
        code = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        text = code["counts"].decode()
        runs = run_counts(text)
        assert runs.sum() == mask.size and (runs >= 0).all()
        found = outline({"size": [int(height), int(width)], "counts": text})
        if not mask.any():
            assert found is None
            continue
        x, y, across, down = coco_mask.toBbox(code)
        assert found.area == mask.sum() == coco_mask.area(code)
        left, top, right, bottom = found.box
        assert (left, right) == (x, x + across)
        assert top <= y and bottom >= y + down
