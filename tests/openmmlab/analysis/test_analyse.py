"""`resblock analyse`: one page shows what a model gets right and wrong."""

import csv
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("mmdet")
pytest.importorskip("mmseg")

from mmengine.config import Config  # noqa: E402
from mmengine.registry import MODELS, init_default_scope  # noqa: E402

from resblock_backbones.commands.front import main  # noqa: E402
from resblock_backbones.data import make_shapes  # noqa: E402
from resblock_backbones.openmmlab.analysis.predictions import compare_classes  # noqa: E402
from resblock_backbones.options.errors import InputError  # noqa: E402

CONFIGS = Path(__file__).parents[3] / "configs"
BOXES = CONFIGS / "faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"
MASKS = CONFIGS / "mask_rcnn/mask-rcnn_flexr18-half_fpn_shapes.py"
MAPS = CONFIGS / "fcn/fcn_flexr18-half-d8_shapes.py"
ANNOTATIONS = Path("data/shapes/annotations/instances_val.json")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shapes"
    make_shapes(folder, train=6, val=4, size=64, progress=False)
    return folder


@pytest.fixture
def here(shapes, tmp_path, monkeypatch):
    """A folder with the data set, of which a test may change what it likes."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shapes, tmp_path / "data/shapes")
    return tmp_path


@pytest.fixture
def predicted(here):
    """`predictions.json` that says what the annotations say, all of it with a score of 0.8."""
    content = json.loads(ANNOTATIONS.read_text())
    for one in content["images"]:
        one["file_name"] = f"data/shapes/val/{one['file_name']}"
    for one in content["annotations"]:
        one["score"] = 0.8
        del one["segmentation"]
    Path("predictions.json").write_text(json.dumps(content))
    return content


def analyse(*options, config=BOXES, out="out"):
    return main(["analyse", str(config), *options, "--out", out])


def table(name):
    with Path("out", f"{name}.csv").open() as opened:
        return list(csv.DictReader(opened))


def test_perfect_predictions_have_an_average_precision_of_1(predicted, capsys):
    assert analyse("--predictions", "predictions.json", "--worst", "2") == 0
    told = capsys.readouterr().out
    assert "bbox AP 1.000" in told and "warning: scores below 0.8 are left out of the saved" in told
    assert {row["AP50"] for row in table("average_precision_bbox")} <= {"1.0", "nan"}
    assert not table("images")
    page = Path("out/index.html").read_text()
    assert "Confusion matrix" in page and "Kinds of errors" in page


def test_errors_are_counted_and_the_worst_images_drawn(predicted, capsys):
    first = predicted["images"][0]["id"]
    for one in predicted["annotations"]:
        if one["image_id"] == first:
            one["bbox"] = [0, 0, 2, 2]  # on the background
    Path("predictions.json").write_text(json.dumps(predicted))
    assert analyse("--predictions", "predictions.json", "--worst", "2") == 0
    number = sum(one["image_id"] == first for one in predicted["annotations"])
    rows = {row["kind"]: int(row["number"]) for row in table("errors")}
    assert rows["background"] == rows["missed"] == number and sum(rows.values()) == 2 * number
    (row,) = table("images")
    assert (row["image"], row["false"]) == (
        Path(predicted["images"][0]["file_name"]).name,
        str(number),
    )
    drawn = sorted(one.name.split("_")[1] for one in Path("out/images").iterdir())
    assert drawn == ["prediction.png", "truth.png"]


def test_predictions_of_a_part_of_the_images_are_a_warning(predicted, capsys):
    gone = predicted["images"].pop()["id"]
    predicted["annotations"] = [one for one in predicted["annotations"] if one["image_id"] != gone]
    Path("predictions.json").write_text(json.dumps(predicted))
    assert analyse("--predictions", "predictions.json") == 0
    told = capsys.readouterr().out
    assert "has no predictions of 1 images of the data set" in told and "bbox AP 1.000" in told


def test_masks_are_compared_in_place_of_boxes(predicted, capsys):
    for one in predicted["annotations"]:
        x, y, width, height = one["bbox"]
        half = [x, y, x + width / 2, y, x + width / 2, y + height, x, y + height]
        one["segmentation"] = [half]
    Path("predictions.json").write_text(json.dumps(predicted))
    assert analyse("--predictions", "predictions.json", "--worst", "1", config=MASKS) == 0
    told = capsys.readouterr().out
    assert "bbox AP 1.000" in told and "segm AP 0." in told
    assert int(table("errors")[1]["number"]) > 0  # localisation, of masks


def test_a_list_of_coco_results(predicted, capsys):
    Path("predictions.json").write_text(json.dumps(predicted["annotations"]))
    assert analyse("--predictions", "predictions.json") == 0
    assert "bbox AP 1.000" in capsys.readouterr().out


def dump(predicted):
    """What `resblock test --out` writes."""
    labels = {one["id"]: place for place, one in enumerate(predicted["categories"])}
    found = []
    for image in predicted["images"]:
        own = [one for one in predicted["annotations"] if one["image_id"] == image["id"]]
        boxes = torch.tensor([one["bbox"] for one in own]).reshape(-1, 4).float()
        boxes[:, 2:] += boxes[:, :2]
        instances = {
            "bboxes": boxes,
            "labels": torch.tensor([labels[one["category_id"]] for one in own]),
            "scores": torch.full((len(own),), 0.8),
        }
        path = f"data/shapes/val/{Path(image['file_name']).name}"
        found.append({"img_id": image["id"], "img_path": path, "pred_instances": instances})
    return found


def test_the_file_of_a_test(predicted, capsys):
    Path("predictions.pkl").write_bytes(pickle.dumps(dump(predicted)))
    assert analyse("--predictions", "predictions.pkl") == 0
    assert "bbox AP 1.000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"img_id": 1, "img_path": "elsewhere.png"}], "is about other images"),
        ([{"img_id": 1}], "has neither boxes with scores nor label maps"),
        ({"state_dict": {}}, "is no file of `resblock test --out`"),
        ([print], "refused, because it asks for builtins.print"),
    ],
)
def test_another_pickle_is_one_line(content, message, here, capsys):
    Path("other.pkl").write_bytes(pickle.dumps(content))
    assert analyse("--predictions", "other.pkl") == 2
    error = capsys.readouterr().err
    assert message in error and error.strip().splitlines()[-1].startswith("error: ")


def test_a_checkpoint_of_another_config_is_one_line(here, capsys):
    torch.save({"state_dict": {"head.weight": torch.zeros(2)}}, "other.pth")
    assert analyse("other.pth") == 2
    assert "none of its weights fits the model of the config" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["b", "a"], "was trained with the classes in the order"),
        (["a", "b", "c"], "was trained for 3 classes, and the data set has 2"),
    ],
)
def test_classes_of_a_checkpoint_are_those_of_the_data_set(classes, message):
    with pytest.raises(InputError, match=message):
        compare_classes("a.pth", classes, ["a", "b"])


def test_other_names_of_classes_are_a_warning():
    ((level, line),) = compare_classes("a.pth", ["a", "B"], ["a", "b"])
    assert level == "warning" and "'B' there and 'b' in the config" in line
    assert not compare_classes("a.pth", ["a", "b"], ["a", "b"])


@pytest.mark.slow
@pytest.mark.parametrize("config", [BOXES, MASKS, MAPS], ids=["boxes", "masks", "maps"])
def test_a_model_and_the_predictions_of_its_test_give_the_same_page(config, here, capsys):
    cfg = Config.fromfile(config)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    torch.save({"state_dict": MODELS.build(cfg.model).state_dict()}, "random.pth")
    assert analyse("random.pth", "--worst", "1", config=config) == 0
    by_model = {one.stem: table(one.stem) for one in Path("out").glob("*.csv")}
    assert main(["test", str(config), "random.pth", "--out", "all.pkl", "--work-dir", "run"]) == 0
    assert analyse("--predictions", "all.pkl", "--worst", "1", "--force", config=config) == 0
    for name, rows in by_model.items():
        for one, other in zip(table(name), rows, strict=True):
            numbers = [[number_of(value) for value in row.values()] for row in (one, other)]
            assert numbers[0] == pytest.approx(numbers[1], abs=1e-4, nan_ok=True)


def number_of(text):
    """A cell as a number; other texts as something to compare."""
    try:
        return float(text)
    except ValueError:
        return hash(text)


def test_a_class_without_objects_is_a_note(predicted, capsys):
    ring = next(one["id"] for one in predicted["categories"] if one["name"] == "ring")
    content = json.loads(ANNOTATIONS.read_text())
    content["annotations"] = [one for one in content["annotations"] if one["category_id"] != ring]
    ANNOTATIONS.write_text(json.dumps(content))
    assert analyse("--predictions", "predictions.json") == 0
    told = capsys.readouterr().out
    assert "nothing to measure: 'ring'" in told and "bbox AP 1.000" in told


@pytest.fixture
def label_maps(here):
    """What `resblock predict` writes, of perfect label maps."""
    shutil.copytree("data/shapes/labels/val", "predicted/labels")
    names = ("background", "circle", "square", "triangle", "star", "ring")
    Path("predicted/classes.json").write_text(json.dumps(dict(enumerate(names))))
    return sorted(Path("predicted/labels").iterdir())


def test_perfect_label_maps_have_an_iou_of_1(label_maps, capsys):
    assert analyse("--predictions", "predicted", config=MAPS) == 0
    assert "mIoU 1.000, aAcc 1.000" in capsys.readouterr().out
    assert "Errors at borders" in Path("out/index.html").read_text()


def test_the_images_with_the_lowest_iou_are_drawn(label_maps, capsys):
    labels = np.asarray(Image.open(label_maps[1]))
    Image.fromarray(np.zeros_like(labels)).save(label_maps[1])
    assert analyse("--predictions", "predicted", "--worst", "1", config=MAPS) == 0
    assert table("images")[0]["image"] == label_maps[1].name
    assert float(table("images")[0]["right pixels"]) == pytest.approx((labels == 0).mean())
    drawn = {one.name.split("_")[1]: one for one in Path("out/images").iterdir()}
    assert set(drawn) == {"truth.png", "prediction.png", "wrong.png"}
    red = (np.asarray(Image.open(drawn["wrong.png"])) == (226, 26, 28)).all(2)
    assert red.mean() == pytest.approx((labels > 0).mean(), abs=0.02)


@pytest.mark.parametrize(
    ("damage", "options", "message"),
    [
        (lambda: Path("predicted/classes.json").unlink(), [], "holds no predictions"),
        (
            lambda: Path("predicted/classes.json").write_text('{"0": "zebra"}'),
            [],
            "predicts 'zebra', which is no class of the config",
        ),
        (
            lambda: Path("predicted/classes.json").write_text("[]"),
            [],
            "must give a name for each value of the label maps",
        ),
        (
            lambda: [
                Image.new("L", (9, 9)).save(one) for one in Path("predicted/labels").iterdir()
            ],
            [],
            "its predicted label map has 9x9 pixels, and the annotated one 64x64",
        ),
        (lambda: None, ["--score-threshold", "0.5"], "label maps have no scores"),
    ],
)
def test_label_maps_that_do_not_fit_are_one_line(damage, options, message, label_maps, capsys):
    damage()
    assert analyse("--predictions", "predicted", *options, config=MAPS) == 2
    error = capsys.readouterr().err
    assert message in error and error.strip().splitlines()[-1].startswith("error: ")
    assert not Path("out").exists()


def test_predictions_of_another_kind_are_one_line(predicted, label_maps, capsys):
    assert analyse("--predictions", "predictions.json", config=MAPS) == 2
    assert "holds objects, and the data set has label maps" in capsys.readouterr().err
    assert analyse("--predictions", "predicted") == 2
    assert "holds label maps, and the data set has objects" in capsys.readouterr().err


def break_images(content):
    for one in content["images"]:
        one["file_name"] = f"elsewhere/{one['id']}.jpg"


def break_classes(content):
    content["categories"][0]["name"] = "zebra"


def break_scores(content):
    del content["annotations"][0]["score"]


def break_boxes(content):
    content["annotations"][0]["bbox"] = [1, 2]


def break_numbers(content):
    content["annotations"][0]["score"] = float("nan")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_numbers, "have a box or a score that is NaN or infinite"),
        (break_images, "is about other images"),
        (break_classes, "predicts 'zebra', which is no class of the config"),
        (break_scores, "object 0 has no score"),
        (break_boxes, "must be x, y, width, height"),
        (lambda content: content.pop("images"), "is no file of predictions: it has no 'images'"),
        (lambda content: content.update(images=[]), "holds predictions of no image"),
    ],
)
def test_predictions_that_do_not_fit_are_one_line(damage, message, predicted, capsys):
    damage(predicted)
    Path("predictions.json").write_text(json.dumps(predicted))
    assert analyse("--predictions", "predictions.json") == 2
    error = capsys.readouterr().err
    assert message in error and error.strip().splitlines()[-1].startswith("error: ")
    assert not Path("out").exists()


def test_nothing_to_analyse_is_one_line(here, capsys):
    assert analyse() == 2
    assert "give a CHECKPOINT, or --predictions FILE" in capsys.readouterr().err
    assert analyse("gone.pth") == 2
    assert "gone.pth: there is no such checkpoint file" in capsys.readouterr().err
    assert analyse("--predictions", "gone.json") == 2
    assert "gone.json: there is no such file" in capsys.readouterr().err


def test_a_test_set_without_annotations_is_one_line(predicted, capsys):
    content = json.loads(ANNOTATIONS.read_text())
    content["annotations"] = []
    ANNOTATIONS.write_text(json.dumps(content))
    assert analyse("--predictions", "predictions.json") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "annotations" in error
    assert not Path("out").exists()


def test_a_full_disk_leaves_nothing(predicted, capsys, monkeypatch):
    def full(file, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert analyse("--predictions", "predictions.json", "--worst", "0") == 2
    assert "No space left on device; nothing was written" in capsys.readouterr().err
    assert not Path("out").exists() and not list(Path().glob(".out*"))
