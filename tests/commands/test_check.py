"""`resblock check`: of a folder or of a config, every kind of finding, and the repaired copy."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

import written_formats as formats  # noqa: E402
from small_sets import coco, write_coco  # noqa: E402

from resblock_backbones.commands.front import main  # noqa: E402
from resblock_backbones.data.annotations.check import check_coco  # noqa: E402


def check(capfd, *arguments):
    """Exit status, what was printed, and the one line of an error."""
    capfd.readouterr()
    status = main(["check", *map(str, arguments)])
    out, err = capfd.readouterr()
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == (status == 2) and "Traceback" not in err
    return status, out, errors[0] if errors else ""


def test_a_correct_folder_is_told_as_a_table(tmp_path, capfd):
    write_coco(tmp_path)
    status, out, _ = check(capfd, tmp_path)
    assert status == 0 and "8 of 8 images, 16 of 16 objects" in out
    assert not any(word in out for word in ("error", "warning", "note"))
    assert check(capfd, tmp_path / "a.json")[1] == out


@pytest.mark.parametrize(
    "write", [formats.as_yolo, formats.as_voc, formats.as_cvat, formats.as_labelme]
)
def test_other_formats_are_told_as_tables(tmp_path, capfd, write):
    write(tmp_path)
    status, out, _ = check(capfd, tmp_path)
    assert status == 0 and "8 of 8 images, 16 of 16 objects" in out


def test_what_is_certain_is_mended_in_a_copy(tmp_path, capfd):
    content = coco()
    for number, one in enumerate(content["annotations"]):
        one["id"] = 7 if number < 2 else number
    content["annotations"][2]["segmentation"].append([1, 2])
    del content["annotations"][4]["bbox"], content["annotations"][5]["iscrowd"]
    content["categories"].insert(0, {"id": 0, "name": "cat", "supercategory": "none"})
    content["images"][3]["file_name"] = ".\\3.png"
    file = write_coco(tmp_path / "data", content)
    file.write_text(file.read_text(), encoding="utf-8-sig")
    before = file.read_bytes()
    status, out, error = check(capfd, tmp_path / "data")
    assert status == 2 and "other kinds of mistakes: 4" in error
    for told in ("the id 7 of annotations[0]", "2 points", "'bbox'", "backslashes", "name 'cat'"):
        assert told in out or told.replace("2 points", "1 points") in out
    status, out, _ = check(capfd, tmp_path / "data", "--fix", tmp_path / "repaired")
    assert status == 0 and "numbered from 1" in out and "dropped" in out
    assert file.read_bytes() == before
    repaired = check_coco(tmp_path / "repaired/a.json", tmp_path / "data", masks=True).document
    assert not list(repaired.findings)
    expected = coco()
    assert repaired.content["annotations"] == expected["annotations"]
    assert repaired.content["categories"] == expected["categories"]


def test_a_second_check_of_what_has_not_changed_opens_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("RESBLOCK_CACHE", str(tmp_path / "cache"))
    content = coco()
    content["annotations"][3]["bbox"] = None
    file = write_coco(tmp_path / "data", content)
    first = check(capfd, tmp_path / "data")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", only(Path.read_bytes, "cache"))
        patch.setattr(Path, "open", only(Path.open, "cache"))
        assert check(capfd, tmp_path / "data") == first
    file.write_text(json.dumps(coco()))
    assert check(capfd, tmp_path / "data")[0] == 0


def only(function, folder):
    """A function of paths that refuses those outside of a folder."""

    def guarded(path, *more, **options):
        assert folder in path.parts, path
        return function(path, *more, **options)

    return guarded


def test_masks_of_0_and_255_are_mended(tmp_path, capfd):
    formats.as_masks(tmp_path / "data", on=255)
    assert "255 is ignored" in check(capfd, tmp_path / "data")[2]
    assert check(capfd, tmp_path / "data", "--fix", tmp_path / "repaired")[0] == 0
    assert len(list((tmp_path / "repaired/labels").glob("*.png"))) == 8


def test_two_formats_in_a_folder_are_an_error_until_one_is_chosen(tmp_path, capfd):
    formats.as_yolo(tmp_path / "two")
    formats.as_voc(tmp_path / "two")
    status, out, error = check(capfd, tmp_path / "two")
    assert status == 2 and "8 of 8 images" in out
    assert "in several formats, yolo and voc: choose one with --format yolo" in error
    assert check(capfd, tmp_path / "two", "--format", "voc")[0] == 0
    assert (
        "is not in the format cvat, but yolo, voc"
        in (check(capfd, tmp_path / "two", "--format", "cvat")[2])
    )
    assert "--format" in check(capfd, tmp_path / "two", "--format", "dota")[2]
    assert "choose one" in check(capfd, tmp_path / "two", "--fix", tmp_path / "out")[2]
    fixed = check(capfd, tmp_path / "two", "--format", "voc", "--fix", tmp_path / "out")
    assert fixed[0] == 0 and (tmp_path / "out/train.json").is_file()


def test_images_that_splits_share_are_a_warning(tmp_path, capfd):
    formats.as_roboflow_coco(tmp_path / "shared")
    first, second = tmp_path / "shared/train/0.png", tmp_path / "shared/valid/6.png"
    second.write_bytes(first.read_bytes())
    status, out, _ = check(capfd, tmp_path / "shared")
    assert status == 0
    assert f"val: 1 of 2 images are also in train ({second} is a copy of {first})" in out


def of_valid(**changes):
    def change(folder):
        file = folder / "valid/_annotations.coco.json"
        content = json.loads(file.read_text())
        for key, value in changes.items():
            content[key] = value(content.pop(key) if key in content else content)
        file.write_text(json.dumps(content))

    return change


def rename_cats(categories):
    return [one | {"name": one["name"].replace("cat", "cats")} for one in categories]


def without_annotations(folder):
    file = folder / "train/_annotations.coco.json"
    content = json.loads(file.read_text())
    content["annotation"] = content.pop("annotations")
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (of_valid(categories=rename_cats), "objects of 'cats', which is no category of"),
        (of_valid(picture=lambda content: content.pop("images")), "no annotations: it has"),
        (lambda folder: (folder / "train/_annotations.coco.json").unlink(), "only of val"),
        (without_annotations, "train/_annotations.coco.json has no objects"),
    ],
    ids=["another name", "half a file", "no train", "no annotations"],
)
def test_the_coco_files_of_a_folder_are_compared(tmp_path, capfd, change, message):
    formats.as_roboflow_coco(tmp_path)
    assert check(capfd, tmp_path)[0] == 0
    change(tmp_path)
    status, _, error = check(capfd, tmp_path)
    assert status == 2 and message in error


def test_numbers_of_label_maps_that_were_exchanged_in_a_split_are_a_warning(tmp_path, capfd):
    for split in ("train", "val"):
        formats.images(tmp_path / "images" / split)
        (tmp_path / "masks" / split).mkdir(parents=True)
        for number in range(8):
            pixels = np.full((formats.HEIGHT, formats.WIDTH, 3), 20 * number + (split == "val"))
            file = tmp_path / f"images/{split}/{number}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(file)
            labels = np.zeros((formats.HEIGHT, formats.WIDTH), np.uint8)
            labels[3 : 9 + number % 3, 4:20] = 1
            labels[18:20, 4:9] = 2
            Image.fromarray(labels).save(tmp_path / f"masks/{split}/{number}.png")
    assert "warning" not in check(capfd, tmp_path)[1]
    for file in (tmp_path / "masks/val").glob("*.png"):
        Image.fromarray(np.array([1, 0, 2], np.uint8)[np.asarray(Image.open(file))]).save(file)
    status, out, _ = check(capfd, tmp_path)
    assert status == 0 and "do their numbers mean the other class in one of the two?" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone"], "gone"),
        (["empty"], "no annotations that are known here"),
        (["empty", "--cfg-options", "a=1"], "--cfg-options: needs a config"),
        (["a.py", "--fix", "out"], "--fix: takes a folder or an annotation file"),
        (["a.py", "--format", "voc"], "--format: takes a folder or an annotation file"),
        (["data", "--fix", "data"], "--fix data: already exists"),
    ],
)
def test_bad_arguments_are_told_in_one_line(tmp_path, monkeypatch, capfd, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    write_coco(Path("data"))
    status, _, error = check(capfd, *arguments)
    assert status == 2 and message in error


def test_the_data_of_a_config_is_checked_without_writing(tmp_path, monkeypatch, capfd):
    pytest.importorskip("mmdet")
    monkeypatch.chdir(tmp_path)
    content = coco()
    for one in content["annotations"]:
        del one["iscrowd"]
    write_coco(Path("data"), content)
    Path("pets.py").write_text(
        "default_scope = 'mmdet'\nmodel = dict(bbox_head=dict(num_classes=2))\n"
        "train_dataloader = dict(dataset=dict(type='CocoDataset', ann_file='data/a.json',\n"
        "    data_prefix=dict(img='data'), metainfo=dict(classes=('cat', 'dog')), pipeline=[]))\n"
    )
    status, out, _ = check(capfd, "pets.py")
    assert status == 0 and "has no 'iscrowd': 0 is taken" in out and "16 of 16 objects" in out
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data", "pets.py"]
    content["annotations"][3]["bbox"] = None
    Path("data/a.json").write_text(json.dumps(content))
    assert "annotations[3] (id 4)" in check(capfd, "pets.py")[2]
    content["annotations"][5]["category_id"] = 99
    Path("data/a.json").write_text(json.dumps(content))
    status, out, error = check(capfd, "pets.py")
    assert status == 2 and "other kinds of mistakes: 1" in error
    assert "annotations[3] (id 4)" in out and "annotations[5] (id 6)" in out
