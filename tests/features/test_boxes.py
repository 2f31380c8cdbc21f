"""`resblock features --from neck` and `--boxes`: the maps and vectors are MMDetection's own."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resblock_backbones.commands.front import run_command
from resblock_backbones.data.errors import DatasetError
from resblock_backbones.data.image_files import find_images
from resblock_backbones.features import read_box_features, read_boxes, read_features

CONFIG = (
    Path(__file__).parents[2] / "configs/retinanet/retinanet_flexr18-half_fpn_shapes.py"
).as_posix()
BOXES = [[3, 5, 30, 41], [10.5, 20, 250, 200], [0, 0, 420, 330], [100, 50, 9, 120]]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two images of 420 x 330 pixels, and boxes in the first of them."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (2, 11, 14, 3), np.uint8)
    for name, one in zip(("a", "b"), pixels, strict=True):
        Path("photos").mkdir(exist_ok=True)
        Image.fromarray(one).resize((420, 330)).save(f"photos/{name}.png")
    written("boxes.json", BOXES)
    return tmp_path


def written(name, boxes, **image):
    images = [
        {"id": 7, "file_name": "elsewhere/a.png", "width": 420, "height": 330, **image},
        {"id": 8, "file_name": "b.png"},
    ]
    rows = [{"id": 20 + n, "image_id": 7, "category_id": 3, "bbox": b} for n, b in enumerate(boxes)]
    Path(name).write_text(json.dumps({"images": images, "annotations": rows}))


def run(*arguments) -> int:
    return run_command("features", ["photos", *map(str, arguments), "--out", "out"])


@pytest.fixture
def detector(photos):
    """MMDetection's detector, whose weights are in `model.pth`."""
    pytest.importorskip("mmdet")
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    cfg = Config.fromfile(CONFIG)
    init_default_scope("mmdet")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    torch.save({"state_dict": model.state_dict(), "meta": {}}, "model.pth")
    return model


def maps_of(detector, file, size=None):
    image = Image.open(file)
    image = image if size is None else image.resize(size, Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()
    one = detector.data_preprocessor
    with torch.inference_mode():
        return detector.extract_feat(((pixels - one.mean) / one.std)[None])


def test_maps_of_the_neck_are_those_of_the_detector(detector):
    assert run("--config", CONFIG, "--checkpoint", "model.pth", "--from", "neck") == 0
    found = read_features(Path("out/b.npz"))
    wanted = maps_of(detector, "photos/b.png")
    assert found.strides == (8, 16, 32, 64, 128)[: len(wanted)]
    for one, want in zip(found.maps.values(), wanted, strict=True):
        torch.testing.assert_close(one, want[0], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_vectors_of_boxes_are_those_of_mmdetections_extractor(detector, kind):
    pytest.importorskip("safetensors")
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

    arguments = ("--from", "neck", "--boxes", "boxes.json", "--format", kind)
    assert run("--config", CONFIG, "--checkpoint", "model.pth", *arguments) == 0
    found = read_box_features(Path(f"out/a.{kind}"))
    maps = maps_of(detector, "photos/a.png")
    strides = [8, 16, 32, 64, 128][: len(maps)]
    layer = {"type": "RoIAlign", "output_size": 7, "sampling_ratio": 0}
    theirs = SingleRoIExtractor(layer, maps[0].shape[1], strides, finest_scale=14 * strides[0])
    corners = torch.tensor(BOXES)
    corners[:, 2:] += corners[:, :2]
    with torch.inference_mode():
        wanted = theirs(maps, torch.cat([torch.zeros(len(BOXES), 1), corners], 1)).mean((2, 3))
    torch.testing.assert_close(found.vectors, wanted, rtol=1e-3, atol=2e-4)
    assert torch.equal(found.boxes, corners) and found.ids.tolist() == [20, 21, 22, 23]
    assert set(found.category_ids.tolist()) == {3} and found.strides.tolist() == [8, 8, 16, 8]
    assert read_box_features(Path(f"out/b.{kind}")).vectors.shape == (0, maps[0].shape[1])


def test_a_backbone_gives_the_mean_of_its_last_map_under_the_box(photos):
    """Of a box of whole cells, nothing is interpolated."""
    Image.open("photos/a.png").resize((448, 448)).save("photos/a.png")
    written("boxes.json", [[0, 0, 448, 448]], width=448, height=448)
    more = ("--depth", 18, "--options", "width=0.25", "out_indices=2")
    for size, side in ((), 28), (("--size", 224), 14):
        assert run(*more, *size, "--boxes", "boxes.json", "--force") == 0
        (vector,) = read_box_features(Path("out/a.npz")).vectors
        assert run(*more, *size, "--force") == 0
        (whole,) = read_features(Path("out/a.npz")).maps.values()
        assert whole.shape == (64, side, side)
        torch.testing.assert_close(vector, whole.mean((1, 2)), rtol=1e-4, atol=1e-5)


def test_images_that_the_file_does_not_name_are_told(photos, capsys):
    content = json.loads(Path("boxes.json").read_text())
    del content["images"][1]
    Path("boxes.json").write_text(json.dumps(content))
    assert run("--depth", 18, "--options", "width=0.25", "--boxes", "boxes.json") == 0
    told = capsys.readouterr()
    assert "does not name 1 of 2 images (photos/b.png, ...)" in told.err
    assert "1 written, 0 skipped" in told.out
    assert [one.name for one in Path("out").iterdir()] == ["a.npz"]


@pytest.mark.parametrize(
    ("boxes", "image", "message"),
    [
        ([[1, 2, 0, 5]], {}, "annotations[0]: bbox [1, 2, 0, 5]: must be x, y, width, height"),
        ([[1, 2, float("nan"), 5]], {}, "must be x, y, width, height in pixels"),
        (["left"], {}, "annotations[0]: bbox 'left'"),
        ([[500, 2, 9, 5]], {}, "its box with id 20 lies outside of the 420x330 pixels"),
        (BOXES, {"width": 840}, "its boxes are of an image of 840x330 pixels, and it has 420x330"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_boxes_that_cannot_be_are_one_line(photos, capsys, boxes, image, message):
    written("boxes.json", boxes, **image)
    assert run("--depth", 18, "--options", "width=0.25", "--boxes", "boxes.json") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not Path("out/a.npz").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "has no boxes of images: must be COCO's JSON"),
        ('[{"image_id": 1, "bbox": [0, 0, 1, 1]}]', "has no boxes of images"),
        ('{"images": [], "annotations": []}', "is about other images (nothing), not photos/a.png"),
        (
            '{"images": [{"id": 1, "file_name": "z.png"}], "annotations": []}',
            "is about other images (z.png), not photos/a.png",
        ),
        ("{", "no COCO JSON"),
    ],
)
def test_other_files_of_boxes_are_told(photos, content, message):
    Path("other.json").write_text(content)
    with pytest.raises(DatasetError) as raised:
        read_boxes(Path("other.json"), find_images(["photos"]))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", 18, "--from", "neck"], "--from neck: goes with --config"),
        (["--depth", 18, "--boxes", "gone.json"], "gone.json: there is no such file"),
        (["--depth", 18, "--boxes", "boxes.json", "--show"], "--show: draws feature maps"),
        (["--config", "plain.py", "--from", "neck"], "plain.py: its model has no neck"),
        (
            ["--config", CONFIG, "--checkpoint", "other.pth", "--from", "neck"],
            "other.pth: does not fit the model of the config",
        ),
        (
            ["--config", CONFIG, "--checkpoint", "other.pth", "--from", "neck", "--prefix", "a"],
            "--from neck: takes weights of a whole model",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_go_together_is_one_line(photos, capsys, arguments, message):
    if "--config" in arguments:
        pytest.importorskip("mmdet")
    Path("plain.py").write_text("model = dict(backbone=dict(type='FlexResNet', depth=18))")
    torch.save({"state_dict": {"backbone.conv1.weight": torch.zeros(32, 3, 7, 7)}}, "other.pth")
    assert run(*arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error and not Path("out").exists()
