"""A whole model in an ONNX file is asked from Python and from the command line, without PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from resblock_backbones import Prediction, Predictor  # noqa: E402
from resblock_backbones.commands.front import main  # noqa: E402
from resblock_backbones.files.model_card import CARD, Card  # noqa: E402
from resblock_backbones.options.errors import InputError  # noqa: E402
from resblock_backbones.prediction.int8 import write_int8  # noqa: E402

BOXES = np.array([[[2, 4, 20, 16], [1, 1, 9, 9], [0, 0, 0, 0]]], np.float32)
SCORES = np.array([[0.9, 0.4, 0.0]], np.float32)


def detector(file, card=None, masks=None, size=("height", "width"), kind=TensorProto.FLOAT):
    """A model that finds the same two objects in any image."""
    values = [
        BOXES,
        SCORES,
        np.array([[1, 0, 0]]),
        np.array([2]),
        *([] if masks is None else [masks]),
    ]
    card = card or Card("detection", "Constant", ("ring", "star"), most=3)
    names = list(card.outputs)
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
        for name, value in zip(names, values, strict=True)
    ]
    image = helper.make_tensor_value_info(
        "images", kind, ["n" if size[0] == "height" else 1, 3, *size]
    )
    outputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in zip(names, values, strict=True)
    ]
    save(file, nodes, image, outputs, card)


def brightness(file, card):
    """A segmentor: class 1 where red is above 100."""
    nodes = [
        helper.make_node("Gather", ["images", "zero"], ["red"], axis=1),
        helper.make_node("Greater", ["red", "limit"], ["bright"]),
        helper.make_node("Cast", ["bright"], ["label_map"], to=TensorProto.INT64),
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])
    output = helper.make_tensor_value_info("label_map", TensorProto.INT64, ["n", "h", "w"])
    constants = [
        numpy_helper.from_array(np.array(0), "zero"),
        numpy_helper.from_array(np.array(100, np.float32), "limit"),
    ]
    save(file, nodes, image, [output], card, constants)


def save(file, nodes, image, outputs, card, constants=()):
    graph = helper.make_graph(nodes, "g", [image], outputs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {CARD: card.as_json()} if card else {"by": "another"})
    onnx.save(model, file)


def image(height, width):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def test_boxes_are_in_pixels_of_the_image_that_was_given(tmp_path):
    card = Card("detection", "C", ("ring", "star"), resize="keep_ratio", size=(100, 50), most=3)
    detector(tmp_path / "m.onnx", card)
    # 40 x 100 becomes 40 x 100; 80 x 200 is halved.
    small, large = Predictor(tmp_path / "m.onnx", score_threshold=0.0)(
        [image(40, 100), image(80, 200)]
    )
    np.testing.assert_allclose(small.boxes, BOXES[0, :2])
    np.testing.assert_allclose(large.boxes, 2 * BOXES[0, :2])
    assert small.labels.tolist() == [1, 0] and [small.name_of(one) for one in (0, 1)] == [
        "ring",
        "star",
    ]


def test_what_is_below_the_threshold_or_padding_is_left_out(tmp_path):
    detector(tmp_path / "m.onnx")
    (one,) = Predictor(tmp_path / "m.onnx", score_threshold=0.5)(image(40, 40))
    assert len(one) == 1 and one.scores.tolist() == pytest.approx([0.9])


def test_a_file_of_one_size_takes_images_of_any(tmp_path):
    detector(tmp_path / "m.onnx", size=(20, 40), kind=TensorProto.UINT8)
    (one,) = Predictor(tmp_path / "m.onnx")(image(40, 60))  # has to be halved to fit
    np.testing.assert_allclose(one.boxes, 2 * BOXES[0, :2])


@pytest.mark.parametrize("kind", ["whole", "raw"])
def test_masks_have_the_size_of_the_image(kind, tmp_path):
    if kind == "raw":
        masks = np.ones((1, 3, 4, 4), np.float32)
    else:
        masks = np.zeros((1, 3, 20, 30), bool)
        masks[0, 0, 4:16, 2:20] = masks[0, 1, 1:9, 1:9] = True
    card = Card("detection", "C", ("a", "b"), most=3, masks=kind, resize="exact", size=(30, 20))
    detector(tmp_path / "m.onnx", card, masks)
    (one,) = Predictor(tmp_path / "m.onnx")(image(40, 60))
    assert one.masks.shape == (2, 40, 60) and one.masks.dtype == bool
    # Box (4, 8) to (40, 32); the corners of a raw mask are rounded.
    assert one.masks[0, 8:32, 8:36].all() and one.masks[0, 12:28, 4:40].all()
    assert one.masks[0].sum() == one.masks[0, 8:32, 4:40].sum() > 0.9 * 24 * 36


def test_logits_of_slices_are_averaged_and_label_maps_cut_in_the_middle(tmp_path):
    """Of scores that depend on the place in a slice, so that it matters."""
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 32, 32])
    ramp = np.linspace(-40, 40, 32, dtype=np.float32)[None, None, None].repeat(32, 2)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Add", ["mean", "ramp"], ["bright"]),
        helper.make_node("Sub", ["limit", "bright"], ["dark"]),
        helper.make_node("Concat", ["dark", "bright"], ["logits"], axis=1),
        helper.make_node("ArgMax", ["logits"], ["label_map"], axis=1, keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(ramp, "ramp"),
        numpy_helper.from_array(np.float32(255), "limit"),
    ]
    pixels = image(50, 80)
    found = {}
    for name, kind, shape in (
        ("logits", TensorProto.FLOAT, ["n", 2, "h", "w"]),
        ("label_map", TensorProto.INT64, ["n", "h", "w"]),
    ):
        card = Card("segmentation", "C", ("dark", "bright"), logits=name == "logits")
        output = helper.make_tensor_value_info(name, kind, shape)
        kept = nodes[:4] if name == "logits" else nodes
        save(tmp_path / f"{name}.onnx", kept, given, [output], card, constants)
        ask = Predictor(tmp_path / f"{name}.onnx", slices=32, overlap=0.5)
        found[name] = ask(pixels)[0].label_map
    sums, counts = np.zeros((50, 80)), np.zeros((50, 80))
    cut = np.full((50, 80), -1)
    for top in (0, 16, 18):
        for left in (0, 16, 32, 48):
            part = (slice(top, top + 32), slice(left, left + 32))
            bright = pixels[part].mean(-1) + ramp[0, 0]
            sums[part] += bright
            counts[part] += 1
    np.testing.assert_array_equal(found["logits"], sums / counts > 127.5)
    for top, (first, last) in ((0, (0, 24)), (16, (24, 33)), (18, (33, 50))):
        for left, (begin, end) in ((0, (0, 24)), (16, (24, 40)), (32, (40, 56)), (48, (56, 80))):
            bright = pixels[top : top + 32, left : left + 32].mean(-1) + ramp[0, 0] > 127.5
            cut[first:last, begin:end] = bright[first - top : last - top, begin - left : end - left]
    np.testing.assert_array_equal(found["label_map"], cut)


def test_label_maps_have_the_size_of_the_image(tmp_path):
    card = Card("segmentation", "C", ("dark", "bright"), resize="exact", size=(32, 16))
    brightness(tmp_path / "m.onnx", card)
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:, 0] = 255
    (one,) = Predictor(tmp_path / "m.onnx")(Image.fromarray(pixels))
    assert one.label_map.shape == (40, 80) and (one.label_map[:, 40:] == 1).all()
    assert not one.label_map[:, :38].any() and one.draw(pixels).height >= 40


@pytest.mark.parametrize("channels", [1, 2])
def test_logits_become_a_label_map_of_the_size_of_the_image(channels, tmp_path):
    # Red less 100 is the logit of the one class, or of the second of two.
    nodes = [
        helper.make_node("Gather", ["images", "zero"], ["red"], axis=1),
        helper.make_node("Sub", ["red", "limit"], ["second"]),
        helper.make_node("Mul", ["second", "none"], ["first"]),
        helper.make_node("Concat", ["first", "second"][2 - channels :], ["logits"], axis=1),
    ]
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", channels, "h", "w"])
    constants = [
        numpy_helper.from_array(np.array([0]), "zero"),
        numpy_helper.from_array(np.array(100, np.float32), "limit"),
        numpy_helper.from_array(np.array(0, np.float32), "none"),
    ]
    card = Card("segmentation", "C", ("dark", "bright"), resize="exact", size=(32, 16), logits=True,
                score_threshold=0.5)  # fmt: skip
    save(tmp_path / "m.onnx", nodes, given, [output], card, constants)
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:, 0] = 255
    (one,) = Predictor(tmp_path / "m.onnx")(pixels)
    assert one.label_map.shape == (40, 80)
    assert (one.label_map[:, 42:] == 1).all() and not one.label_map[:, :38].any()


def test_predictions_are_drawn_and_become_coco_results(tmp_path):
    detector(tmp_path / "m.onnx")
    (one,) = Predictor(tmp_path / "m.onnx", score_threshold=0.0)(image(40, 40))
    first, second = one.to_coco(image_id=3, category_ids=[7, 9])
    assert (first["category_id"], second["category_id"], first["image_id"]) == (9, 7, 3)
    assert first["bbox"] == [2.0, 4.0, 18.0, 12.0]
    assert one.draw(image(40, 40)).size == (400, 400)


def test_a_prediction_whose_arrays_do_not_belong_together_is_refused():
    for arrays, message in (
        ({}, "boxes, labels and scores, or a label_map"),
        ({"boxes": np.zeros((2, 3)), "labels": np.zeros(2), "scores": np.zeros(2)}, r"\(N, 4\)"),
        ({"boxes": np.zeros((2, 4)), "labels": np.zeros(1), "scores": np.zeros(2)}, "labels: must"),
        ({"label_map": np.zeros(3)}, "label_map: must be"),
    ):
        with pytest.raises(ValueError, match=message):
            Prediction(**arrays)


def test_a_label_map_has_no_objects_for_supervision():
    with pytest.raises(ValueError, match="objects, and this is a label map"):
        Prediction(label_map=np.zeros((2, 2), np.uint8)).to_supervision()


def test_objects_go_to_supervision(tmp_path):
    pytest.importorskip("supervision")
    detector(tmp_path / "m.onnx")
    (one,) = Predictor(tmp_path / "m.onnx", score_threshold=0.0)(image(40, 40))
    found = one.to_supervision()
    np.testing.assert_array_equal(found.xyxy, one.boxes)
    np.testing.assert_array_equal(found.class_id, one.labels)
    assert [str(name) for name in found.data["class_name"]] == ["star", "ring"]


def test_other_files_are_refused_by_name(tmp_path):
    detector(tmp_path / "m.onnx")
    save_without = tmp_path / "other.onnx"
    model = onnx.load(tmp_path / "m.onnx")
    del model.metadata_props[:]
    onnx.save(model, save_without)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    for given, message in (
        ((tmp_path / "gone.onnx",), "gone.onnx: there is no such file"),
        ((tmp_path / "broken.onnx",), "broken.onnx: ONNX Runtime cannot read it"),
        ((save_without,), "other.onnx: its metadata has no .*resblock export"),
        ((tmp_path / "m.onnx", "a.pth"), "a checkpoint was given beside it"),
        (("config.py",), "config.py: is no .onnx file; a config needs a checkpoint"),
    ):
        with pytest.raises(InputError, match=message):
            Predictor(*given)
    with pytest.raises(ValueError, match=r"\(4, 4, 2\), uint8: must be"):
        Predictor(tmp_path / "m.onnx")(np.zeros((4, 4, 2), np.uint8))


def test_images_of_one_channel_and_of_few_pixels_are_predicted(tmp_path):
    card = Card("segmentation", "C", ("dark", "bright"))
    brightness(tmp_path / "m.onnx", card)
    pixels = np.array([[0, 200], [90, 120], [255, 3]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "grey.png")
    Image.fromarray(pixels).convert("1").save(tmp_path / "bits.png")
    grey, array, bits = Predictor(tmp_path / "m.onnx")(
        [tmp_path / "grey.png", pixels, tmp_path / "bits.png"]
    )
    for one in (grey, array):
        np.testing.assert_array_equal(one.label_map, pixels > 100)
    assert bits.label_map.shape == (3, 2) and set(bits.label_map.flat) == {0, 1}


def test_what_the_runtime_cannot_do_is_one_line(tmp_path):
    nodes = [helper.make_node("Conv", ["images", "weight"], ["label_map"])]
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])
    output = helper.make_tensor_value_info("label_map", TensorProto.FLOAT, ["n", 1, "y", "x"])
    weight = numpy_helper.from_array(np.zeros((1, 3, 9, 9), np.float32), "weight")
    save(tmp_path / "m.onnx", nodes, given, [output], Card("segmentation", "C", ("a",)), [weight])
    with pytest.raises(InputError, match=r"m.onnx: fails for images of 1x3x4x5: ") as caught:
        Predictor(tmp_path / "m.onnx")(image(4, 5))
    assert "\n" not in str(caught.value)


def test_without_onnx_runtime_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    detector(tmp_path / "m.onnx")
    Image.fromarray(image(8, 8)).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # an import of it fails
    arguments = [str(tmp_path / "m.onnx"), str(tmp_path / "a.png"), "--out", str(tmp_path / "o")]
    assert main(["predict", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "onnxruntime is not installed; pip install 'resblock_backbones[runtime]'" in line


def test_the_command_writes_drawings_and_coco_json(tmp_path, capsys):
    detector(tmp_path / "m.onnx")
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        Image.fromarray(image(40, 50)).save(tmp_path / "in" / f"{name}.png")
    out = tmp_path / "out"
    assert main(["predict", str(tmp_path / "m.onnx"), str(tmp_path / "in"), "--out", str(out)]) == 0
    assert "2 images, 4 objects" in capsys.readouterr().out
    written = json.loads((out / "predictions.json").read_text())
    assert [one["name"] for one in written["categories"]] == ["ring", "star"]
    assert sorted(one.name for one in (out / "drawn").iterdir()) == ["a.png", "b.png"]
    (tmp_path / "none").mkdir()
    assert main(["predict", str(tmp_path / "m.onnx"), str(tmp_path / "none"), "--out", "x"]) == 2
    assert "there is no image in this folder" in capsys.readouterr().err


def test_a_model_in_int8_finds_nearly_the_same_with_operators_of_onnx(tmp_path):
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["images", "weight"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("ArgMax", ["maps"], ["label_map"], axis=1, keepdims=0),
    ]
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])
    output = helper.make_tensor_value_info("label_map", TensorProto.INT64, ["n", "h", "w"])
    constants = [numpy_helper.from_array(weight, "weight")]
    card = Card("segmentation", "C", ("a", "b", "c", "d"))
    save(tmp_path / "m.onnx", nodes, given, [output], card, constants)
    files = []
    for index in range(4):
        files.append(tmp_path / f"{index}.png")
        Image.fromarray(rng.integers(0, 255, (32, 40, 3), np.uint8)).save(files[-1])
    size = write_int8(tmp_path / "m.onnx", tmp_path / "int8.onnx", files[:3])
    assert size == (tmp_path / "int8.onnx").stat().st_size
    written = onnx.load(tmp_path / "int8.onnx")
    kinds = {node.op_type for node in written.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    assert {node.domain for node in written.graph.node} == {""}
    (plain,) = Predictor(tmp_path / "m.onnx")(files[3])
    (small,) = Predictor(tmp_path / "int8.onnx")(files[3])
    assert small.classes == plain.classes
    assert (small.label_map == plain.label_map).mean() > 0.97
    with pytest.raises(InputError, match="no images to calibrate with"):
        write_int8(tmp_path / "m.onnx", tmp_path / "int8.onnx", [])


def test_it_runs_where_neither_torch_nor_the_mm_packages_are(tmp_path):
    detector(tmp_path / "m.onnx")
    Image.fromarray(image(40, 50)).save(tmp_path / "a.png")
    program = f"""
import sys
import importlib.util
hidden = ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmseg")
class Hider:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in hidden:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Hider())
real = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in hidden else real(name)
from importlib import metadata
def version(name):
    raise metadata.PackageNotFoundError(name)
metadata.version = version
sys.argv = ["resblock"]
from resblock_backbones.commands.front import main
sys.exit(main(["predict", {str(tmp_path / "m.onnx")!r}, {str(tmp_path / "a.png")!r},
               "--out", {str(tmp_path / "out")!r}]))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert Path(tmp_path / "out/predictions.json").is_file()
