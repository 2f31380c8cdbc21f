"""The same images with the same boxes in each format are the same objects after reading."""

import json
from pathlib import Path

import numpy as np
import pytest
import written_formats as formats
from PIL import Image

from resblock_backbones.data.annotations.check import check_coco
from resblock_backbones.data.errors import DatasetError
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
    assert any("0 and 255: written anew" in note for note in written.notes) == (on == 255)


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
    assert "in several formats, yolo and voc: say which with --format yolo" in refused(
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
        ("train: images/train\nnames: [cat, cat]\n", "has 'cat' twice"),
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
