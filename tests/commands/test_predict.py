"""What `tools/predict.py` writes is what MMDetection and MMSegmentation predict, and it says
clearly what is wrong with its input.
"""

import copy
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from resblock_backbones.commands.front import run_command
from resblock_backbones.data import make_shapes

# FFmpeg asks for it once in a process, and here the first video is one that a test makes.
os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
cv2 = pytest.importorskip("cv2")
pytest.importorskip("mmdet")
pytest.importorskip("mmseg")

from mmengine.config import Config  # noqa: E402
from mmengine.registry import MODELS  # noqa: E402
from pycocotools import mask as coco_mask  # noqa: E402
from pycocotools.coco import COCO  # noqa: E402

from resblock_backbones.drawing.annotated import draw_annotated  # noqa: E402
from resblock_backbones.openmmlab.models.model_weights import compare_weights  # noqa: E402
from resblock_backbones.prediction.prediction import Prediction  # noqa: E402
from resblock_backbones.prediction.videos import Video, VideoWriter  # noqa: E402

CONFIGS = Path(__file__).parents[2] / "configs"
FASTER = CONFIGS / "faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"
CLASSES = ("circle", "square", "triangle", "star", "ring")

MASK = f"""
_base_ = "{FASTER}"
model = dict(
    type="MaskRCNN",
    backbone=dict(width=0.25),
    roi_head=dict(
        mask_roi_extractor=dict(
            type="SingleRoIExtractor", out_channels=64, featmap_strides=[4, 8, 16, 32],
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=1),
        ),
        mask_head=dict(
            type="FCNMaskHead", num_convs=1, in_channels=64, conv_out_channels=16, num_classes=5,
            loss_mask=dict(type="CrossEntropyLoss", use_mask=True),
        ),
    ),
    train_cfg=dict(rcnn=dict(mask_size=28)),
    test_cfg=dict(rcnn=dict(mask_thr_binary=0.5, max_per_img=8)),
)
"""

SEGMENTOR = """
default_scope = "mmseg"
custom_imports = dict(imports=["resblock_backbones"])
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True, pad_val=0, seg_pad_val=255,
    ),
    backbone=dict(type="FlexResNet", depth=18, width=0.25, output_stride=8),
    decode_head=dict(
        type="FCNHead", in_channels=512, in_index=3, channels=16, num_convs=1, concat_input=False,
        num_classes=4, norm_cfg=dict(type="BN"),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(160, 160), keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
test_dataloader = dict(
    dataset=dict(
        type="BaseSegDataset",
        metainfo=dict(classes=("paper", "red", "green", "blue"),
                      palette=[[250, 250, 250], [200, 0, 0], [0, 200, 0], [0, 0, 200]]),
        pipeline=test_pipeline,
    )
)
"""


def random_checkpoint(config: Path, file: Path) -> None:
    """Weights of the config's model under which classes and masks differ from place to place."""
    from mmengine.registry import init_default_scope

    from resblock_backbones.openmmlab.models.channels import link_channels

    cfg = Config.fromfile(str(config))
    init_default_scope(cfg.default_scope)
    link_channels(cfg.model)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and any(
            part in name for part in ("fc_cls", "conv_logits", "conv_seg", "rpn_cls")
        ):
            module.weight.data.normal_(0, 0.1 if "fc_cls" in name else 1.0)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, file)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    make_shapes(folder / "data/shapes", train=1, val=4, progress=False)
    for name, text in (("mask", MASK), ("segmentor", SEGMENTOR)):
        (folder / f"{name}.py").write_text(text)
        random_checkpoint(folder / f"{name}.py", folder / f"{name}.pth")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


def predict(*arguments):
    return run_command("predict", [str(one) for one in arguments])


def asked(module, config, checkpoint, images):
    """The answers of the library's own functions."""
    if module == "mmdet":
        from mmdet.apis import inference_detector, init_detector

        model = init_detector(config, checkpoint, device="cpu")
        return [inference_detector(model, one) for one in images]
    from mmseg.apis import inference_model, init_model

    from resblock_backbones.openmmlab.models.channels import link_channels

    cfg = Config.fromfile(config)
    link_channels(cfg.model)
    model = init_model(cfg, checkpoint, device="cpu")
    return [inference_model(model, one) for one in images]


@pytest.fixture
def linked(here):
    """The config with the channels written out, for MMDetection's own functions."""
    from resblock_backbones.openmmlab.models.channels import link_channels

    cfg = Config.fromfile("mask.py")
    link_channels(cfg.model)
    cfg.dump("linked.py")
    return "linked.py"


def test_objects_and_masks_are_mmdetections(here, linked):
    folder = here / "data/shapes/val"
    assert predict("mask.py", "mask.pth", folder, "--out", "out", "--batch-size", 3) == 0
    written = COCO("out/predictions.json")
    truth = COCO("data/shapes/annotations/instances_val.json")
    assert [written.cats[one]["name"] for one in sorted(written.cats)] == list(CLASSES)
    assert {one["name"]: one["id"] for one in truth.cats.values()} == {
        one["name"]: one["id"] for one in written.cats.values()
    }
    assert (
        len(truth.loadRes(copy.deepcopy(written.dataset["annotations"])).anns)
        == len(written.anns)
        > 4
    )

    images = sorted(folder.iterdir())
    for file, answer in zip(
        images, asked("mmdet", linked, "mask.pth", list(map(str, images))), strict=True
    ):
        wanted = answer.pred_instances
        wanted = wanted[wanted.scores >= 0.3]
        [image] = [one for one in truth.imgs.values() if one["file_name"] == file.name]
        predictions = written.loadAnns(written.getAnnIds(imgIds=[image["id"]]))
        assert len(predictions) == len(wanted) > 0
        boxes = np.array([one["bbox"] for one in predictions])
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_allclose(boxes, wanted.bboxes.numpy(), atol=1e-3)
        np.testing.assert_allclose([one["score"] for one in predictions], wanted.scores, atol=1e-5)
        labels = [CLASSES.index(written.cats[one["category_id"]]["name"]) for one in predictions]
        assert labels == wanted.labels.tolist()
        for one, mask in zip(predictions, wanted.masks, strict=True):
            decoded = coco_mask.decode(one["segmentation"]).astype(bool)
            assert decoded.shape == (160, 160) and one["area"] == decoded.sum()
            assert (decoded != np.asarray(mask)).mean() < 1e-3
        drawn = np.asarray(Image.open(f"out/drawn/{file.stem}.png"))
        plain = np.asarray(Image.open(file).convert("RGB").resize(drawn.shape[1::-1]))
        assert (drawn != plain).any(-1).mean() > 0.01


def test_label_maps_are_mmsegmentations(here):
    images = sorted(Path("data/shapes/val").iterdir())
    narrow = Image.open(images[0]).crop((0, 0, 160, 100))
    narrow.save("data/shapes/val/narrow.png")  # another size than the others
    images.append(Path("data/shapes/val/narrow.png"))
    assert predict("segmentor.py", "segmentor.pth", "data/shapes/val", "--out", "out") == 0
    answers = asked("mmseg", "segmentor.py", "segmentor.pth", list(map(str, images)))
    for image, answer in zip(images, answers, strict=True):
        label_map = np.asarray(Image.open(f"out/labels/{image.stem}.png"))
        assert label_map.dtype == np.uint8 and len(np.unique(label_map)) > 1
        wanted = answer.pred_sem_seg.data[0].numpy()
        assert label_map.shape == wanted.shape and (label_map != wanted).mean() < 1e-3
    assert json.loads(Path("out/classes.json").read_text())["1"] == "red"
    assert not Path("out/predictions.json").exists()


def test_the_frames_of_a_video_are_predicted_one_by_one(here, linked):
    writer = cv2.VideoWriter("clip.avi", cv2.VideoWriter_fourcc(*"MJPG"), 5, (160, 160))
    for image in sorted(Path("data/shapes/val").iterdir()):
        writer.write(cv2.imread(str(image)))
    writer.release()
    assert predict("mask.py", "mask.pth", "clip.avi", "--out", "out", "--batch-size", 3) == 0
    written = COCO("out/predictions.json")
    images = sorted(written.imgs.values(), key=lambda one: one["frame_id"])
    assert [one["seconds"] for one in images] == [0.0, 0.2, 0.4, 0.6]
    [drawn] = Path("out/drawn").iterdir()
    capture = cv2.VideoCapture(str(drawn))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 4 and capture.get(cv2.CAP_PROP_FPS) == 5

    capture, frames = cv2.VideoCapture("clip.avi"), []
    while (frame := capture.read()[1]) is not None:
        frames.append(frame)
    for image, answer in zip(images, asked("mmdet", linked, "mask.pth", frames), strict=True):
        scores = answer.pred_instances.scores
        predictions = written.loadAnns(written.getAnnIds(imgIds=[image["id"]]))
        np.testing.assert_allclose(
            [one["score"] for one in predictions], scores[scores >= 0.3], atol=1e-5
        )


def test_a_folder_inside_keeps_its_names_and_what_is_there_is_not_replaced(here, capfd):
    for folder in ("many/a", "many/b"):
        Path(folder).mkdir(parents=True)
        shutil.copy("data/shapes/val/000001.png", f"{folder}/x.png")
    Path("many/b/x.png").write_bytes(Path("data/shapes/val/000002.png").read_bytes())
    network = ("segmentor.py", "segmentor.pth")
    assert predict(*network, "many/a/x.png", "many/b/x.png", "--out", "two") == 0
    assert predict(*network, "many", "--out", "out") == 0
    for name in ("a/x.png", "b/x.png"):
        assert Path("two/labels", name).read_bytes() == Path("out/labels", name).read_bytes()
    first = Path("out/labels/a/x.png").read_bytes()
    assert first != Path("out/labels/b/x.png").read_bytes()
    assert "already exists" in refused(capfd, *network, "many")
    assert predict(*network, "many/*/x.png", "--out", "out", "--force") == 0
    assert Path("out/labels/a/x.png").read_bytes() == first


def refused(capfd, config, checkpoint, *more):
    capfd.readouterr()
    assert predict(config, checkpoint, *more, "--out", "out") == 2
    lines = capfd.readouterr().err.strip().splitlines()
    told = [line for line in lines if not line.startswith("images: ")]
    assert len(told) == 1 and told[0].startswith("error: "), lines
    return told[0]


IMAGE = "data/shapes/val/000001.png"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.py", "segmentor.pth", IMAGE], "no.py: there is no such file"),
        (["segmentor.py", "no.pth", IMAGE], "no.pth: there is no such checkpoint file"),
        (["segmentor.py", "mask.pth", IMAGE], "mask.pth: does not fit the model of the config"),
        (["segmentor.py", "segmentor.py", IMAGE], "segmentor.py"),
        (["segmentor.py", "segmentor.pth", "no.png"], "no.png: there is no such file or folder"),
        (["segmentor.py", "segmentor.pth", "*.png"], "*.png: no image matches this pattern"),
        (["segmentor.py", "segmentor.pth", "empty"], "empty: there is no image in this folder"),
        (["segmentor.py", "segmentor.pth", "text.mp4"], "text.mp4: cannot be read as a video"),
        (["segmentor.py", "segmentor.pth", "cut.mp4"], "cut.mp4: cannot be read as a video"),
        (["segmentor.py", "segmentor.pth", IMAGE, "--device", "gpu"], "--device gpu: cannot be"),
        (["segmentor.py", "segmentor.pth", IMAGE, "--batch-size", "0"], "--batch-size 0"),
        (
            ["segmentor.py", "segmentor.pth", IMAGE, "--score-threshold", "30"],
            "--score-threshold 30.0: must lie in 0 to 1",
        ),
        (
            ["segmentor.py", "segmentor.pth", IMAGE, "--cfg-options", "model.backbone.dpeth=34"],
            "did you mean 'depth'?",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_told_in_one_line_and_nothing_is_written(here, capfd, arguments, message):
    Path("empty").mkdir()
    Path("text.mp4").write_text("no video")
    writer = cv2.VideoWriter("whole.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 5, (160, 160))
    for _ in range(5):
        writer.write(np.random.default_rng(0).integers(0, 255, (160, 160, 3), np.uint8))
    writer.release()
    Path("cut.mp4").write_bytes(Path("whole.mp4").read_bytes()[:4000])
    assert message in refused(capfd, *arguments)
    assert not Path("out").exists()


def test_broken_images_are_named_when_the_others_are_done(here, capfd):
    image = Path(IMAGE)
    for name, content in (("cut", image.read_bytes()[:900]), ("text", b"text"), ("none", b"")):
        image.with_name(f"{name}.png").write_bytes(content)
    line = refused(capfd, "segmentor.py", "segmentor.pth", "data/shapes/val")
    assert "3 of 7 images could not be read" in line
    assert all(f"{name}.png: " in line for name in ("cut", "text", "none"))
    assert len(list(Path("out/labels").iterdir())) == 4


def test_a_detector_that_finds_nothing_writes_an_empty_list(here):
    arguments = ("mask.py", "mask.pth", IMAGE, "--out", "out", "--score-threshold", 1)
    assert predict(*arguments) == 0
    assert json.loads(Path("out/predictions.json").read_text())["annotations"] == []


def test_drawn_masks_tint_their_own_pixels_alone():
    mask = np.zeros((1, 400, 400), bool)
    mask[0, 100:200, 50:300] = True
    prediction = Prediction(np.array([[50, 100, 300, 200.0]]), np.array([0]), np.array([0.9]), mask)
    grey = Image.new("RGB", (400, 400), (100, 100, 100))
    drawn = np.asarray(draw_annotated(grey, prediction, str, lambda label: (200, 0, 0), legend=0))
    assert drawn[150, 150].tolist() == [145, 55, 55]  # 0.55 of the image, 0.45 of the colour
    assert (drawn[220:] == 100).all() and (drawn[:, 320:] == 100).all()


def test_a_video_of_odd_size_loses_nothing(tmp_path):
    frame = np.random.default_rng(0).integers(0, 255, (99, 151, 3), np.uint8)
    frame = cv2.GaussianBlur(frame, (0, 0), 9)
    with VideoWriter(tmp_path / "odd", rate=5) as writer:
        writer.write(frame)
    [read] = list(Video(writer.file))
    assert read.shape == (100, 152, 3)
    assert np.abs(read[:99, :151, ::-1].astype(int) - frame).mean() < 8


def test_a_video_that_fails_half_way_is_not_left_behind(tmp_path):
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "half", rate=5) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_other_backbones_keep_their_own_names():
    from torchvision.models import resnet18

    model = nn.ModuleDict({"backbone": resnet18()})
    assert compare_weights(model, model.state_dict(), [])[1] == []


# --- images as the config's loader reads them ---


def small(file, mode):
    """A photo of one of the shapes, in another kind of pixels."""
    image = Image.open("data/shapes/val/000001.png").crop((0, 0, 160, 100))
    if mode == "I;16":
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) << 8).save(file)
    elif mode == "F":
        image.convert("L").convert("F").save(file)
    elif mode == "turned":
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(file, exif=exif)
    elif mode == "five":
        cv2.imwrite(str(file), np.zeros((100, 160, 5), np.uint8))
    else:
        image.convert(mode).save(file)


def test_what_the_model_saw_is_what_is_drawn(here, capfd):
    Path("in").mkdir()
    for name, mode in {"deep.png": "I;16", "deep.tif": "I;16", "turned.jpg": "turned"}.items():
        small(f"in/{name}", mode)
    small("in/four.tif", "RGBA")
    small("in/float.tif", "F")
    config = Path("upright.py")
    config.write_text(
        "_base_ = './mask.py'\ntest_dataloader = dict(dataset=dict(pipeline=[\n"
        "  dict(type='LoadImageFromFile', color_type='color_ignore_orientation'),\n"
        "  dict(type='Resize', scale=(160, 160), keep_ratio=True), dict(type='PackDetInputs')]))\n"
    )
    for file, size in (("mask.py", (100, 160)), (str(config), (160, 100))):
        assert predict(file, "mask.pth", "in", "--out", "out", "--force") == 2
        [line] = [one for one in capfd.readouterr().err.splitlines() if one.startswith("error")]
        assert "1 of 5 images could not be read" in line and "float.tif" in line
        assert "32 bits" in line and "assert" not in line
        written = json.loads(Path("out/predictions.json").read_text())
        sizes = {Path(one["file_name"]).name: one for one in written["images"]}
        assert (sizes["turned.jpg"]["width"], sizes["turned.jpg"]["height"]) == size
        drawn = np.asarray(Image.open("out/drawn/turned.png"))
        assert drawn.shape[0] / drawn.shape[1] == pytest.approx(size[1] / size[0])
        for name in ("deep.png.png", "deep.tif.png"):
            assert (np.asarray(Image.open(f"out/drawn/{name}")) < 250).mean() > 0.5


def test_a_grey_model_sees_grey_images_and_grey_frames(here):
    grey = SEGMENTOR.replace(
        'dict(type="LoadImageFromFile")',
        'dict(type="LoadImageFromFile", color_type="grayscale")',
    )
    grey = grey.replace("mean=[123.675, 116.28, 103.53]", "mean=[120.0]")
    grey = grey.replace("std=[58.395, 57.12, 57.375]", "std=[58.0]")
    grey = grey.replace("bgr_to_rgb=True, ", "").replace("depth=18,", "depth=18, in_channels=1,")
    Path("grey.py").write_text(grey)
    random_checkpoint(Path("grey.py"), Path("grey.pth"))
    Path("in").mkdir()
    small("in/grey.png", "L")
    frame = np.asarray(Image.open("in/grey.png").convert("RGB"))
    with VideoWriter(Path("in/clip"), 5) as video:
        video.write(frame)
    assert predict("grey.py", "grey.pth", "in", "--out", "out") == 0
    still = np.asarray(Image.open("out/labels/grey.png"))
    frame = np.asarray(Image.open("out/labels/clip/000000.png"))
    assert still.shape == frame.shape and (still == frame).mean() > 0.9
