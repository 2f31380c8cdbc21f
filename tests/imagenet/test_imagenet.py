"""Classifiers give their families' logits, on images prepared as their families do it."""

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from resblock_backbones import CheckpointError, FlexResNet
from resblock_backbones.commands.front import run_command
from resblock_backbones.imagenet import ImageClassifier, error_table, evaluate, preprocessing_of
from resblock_backbones.imagenet.compare import display_name
from resblock_backbones.imagenet.evaluate import FolderError
from resblock_backbones.weights import find_backbone
from resblock_backbones.weights.reading import timm_source

TORCHVISION = [n for n in torchvision.models.list_models(torchvision.models) if "res" in n]
TIMM = ["resnet18d", "resnet50t", "seresnet50", "ecaresnet26t", "resnetrs50", "resnetaa50"]
TIMM += ["resnetblur18", "resnet50_gn", "ecaresnet50d_pruned", "senet154", "test_resnet"]
#: They take a process over 2 GiB.
LARGE = (
    "senet154",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet101_2",
    "wide_resnet50_2",
    "resnet152",
)


def slow_if_large(name):
    return pytest.param(name, marks=pytest.mark.slow if name in LARGE else ())


def randomised(net):
    torch.manual_seed(0)
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point() and tensor.ndim == 1:
            low, high = (0.3, 0.8) if name.endswith(("weight", "running_var")) else (-0.2, 0.2)
            tensor.uniform_(low, high)
    return net.double().eval()


def assert_same_logits(classifier, original, x):
    with torch.no_grad():
        ours, theirs = classifier.eval()(x), original(x)
    assert ours.shape == theirs.shape and theirs.abs().max() > 1e-2
    assert (ours - theirs).abs().max() < 1e-9


@pytest.fixture(scope="module")
def image():
    return torch.randn(1, 3, 64, 64, dtype=torch.float64)


@pytest.mark.parametrize("name", map(slow_if_large, TORCHVISION))
def test_torchvision_s_logits(name, image, tally):
    tally("torchvision's logits", 0, 1)
    original = randomised(torchvision.models.get_model(name, num_classes=10))
    assert_same_logits(ImageClassifier.from_checkpoint(original.state_dict()), original, image)
    tally("torchvision's logits", 1, 0)


@pytest.mark.parametrize("name", map(slow_if_large, TIMM))
def test_timm_s_logits(name, image, tally, monkeypatch):
    timm = pytest.importorskip("timm")
    tally("timm's logits", 0, 1)
    original = randomised(timm.create_model(name, num_classes=10))
    monkeypatch.setattr(timm_source, "_describe", lambda _: (name, {}, {}))
    monkeypatch.setattr(timm_source, "_load", lambda *_: original.state_dict())
    assert_same_logits(ImageClassifier.from_checkpoint(f"timm://{name}"), original, image)
    tally("timm's logits", 1, 0)


def test_mmpretrain_s_head_beside_the_backbone(image):
    original = randomised(torchvision.models.resnet18(num_classes=10))
    whole = {
        ("head." if key.startswith("fc.") else "backbone.") + key: tensor
        for key, tensor in original.state_dict().items()
    }
    net = ImageClassifier.from_checkpoint({"state_dict": whole})
    assert_same_logits(net, original, image)


def test_weights_without_a_classifier_are_refused():
    with pytest.raises(CheckpointError, match="holds no classifier"):
        ImageClassifier.from_checkpoint(FlexResNet(18, width=0.25).state_dict())


@pytest.fixture(scope="module")
def photo():
    generator = np.random.default_rng(0)
    small = Image.fromarray(generator.integers(0, 255, (40, 60, 3), dtype=np.uint8))
    return small.resize((500, 331), Image.Resampling.BICUBIC)


def found(state=None, **content):
    state = state or FlexResNet(18, width=0.25).state_dict()
    return find_backbone({"model": state, **content}, "mine")


@pytest.mark.parametrize("name", ["resnet50", "resnet50.imagenet1k_v2"])
def test_torchvision_s_names_bring_torchvision_s_transform(name, photo):
    model, _, tag = name.partition(".")
    theirs = torchvision.models.get_model_weights(model)[tag.upper() or "IMAGENET1K_V1"]
    ours = preprocessing_of(f"torchvision://{name}", found())
    assert torch.equal(ours(photo), theirs.transforms()(photo))
    if not tag:
        assert torch.equal(preprocessing_of("my.pth", found())(photo), ours(photo))


@pytest.mark.parametrize("name", ["resnet50.a1_in1k", "resnet50d.ra2_in1k", "resnetrs50.tf_in1k"])
def test_timm_s_names_bring_timm_s_transform(name, photo):
    timm = pytest.importorskip("timm")
    config = timm.data.resolve_data_config(
        pretrained_cfg=timm.get_pretrained_cfg(name).to_dict(), use_test_size=True
    )
    theirs = timm.data.create_transform(**config)
    assert torch.equal(preprocessing_of(f"timm://{name}", found())(photo), theirs(photo))


def test_mmpretrain_s_resizing_is_opencv_s(photo):
    cv2 = pytest.importorskip("cv2")
    pixels = np.asarray(photo)
    resized = cv2.resize(pixels, (387, 256), interpolation=cv2.INTER_LINEAR)
    top, left = round((256 - 224) / 2), round((387 - 224) / 2)
    expected = resized[top : top + 224, left : left + 224] / 255.0
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    ours = preprocessing_of("my.pth", found(), "mmpretrain")(photo).permute(1, 2, 0).numpy()
    # OpenCV rounds its weights: one step of 255 here and there.
    assert np.abs(ours - (expected - mean) / std).max() < 1.01 / 255 / 0.224


def caffe_state(**options):
    state = FlexResNet(50, width=0.25, **options).state_dict()
    named = {}
    for key, tensor in state.items():
        stage, _, rest = key.partition(".")
        if not stage.startswith("layer"):
            named["stem.conv1." + key.split(".", 1)[1].replace("bn1", "norm")] = tensor
            continue
        rest = rest.replace("residual.0", "shortcut").replace("residual.1", "shortcut.norm")
        for n in "123":
            rest = rest.replace(f"bn{n}", f"conv{n}.norm")
        named[f"res{int(stage[5:]) + 1}.{rest}"] = tensor
    return named


@pytest.mark.parametrize(
    ("content", "std"),
    [({}, (1, 1, 1)), ({"groups": 32}, (57.375, 57.12, 58.395)), ({"author": True}, None)],
)
def test_caffe_s_weights_see_bgr_from_0_to_255(content, std, photo):
    options = {"groups": 32} if "groups" in content else {}
    extra = {"__author__": "torchvision"} if "author" in content else {}
    ours = preprocessing_of("R-50.pkl", found(caffe_state(**options), **extra))(photo)
    plain = preprocessing_of("my.pth", found())(photo)
    if std is None:
        assert torch.equal(ours, plain)
        return
    rgb = plain * torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    rgb = (rgb + torch.tensor([0.485, 0.456, 0.406])[:, None, None]) * 255
    expected = rgb.flip(0) - torch.tensor([103.53, 116.28, 123.675])[:, None, None]
    expected /= torch.tensor(std)[:, None, None]
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-4)


@pytest.fixture
def folder(tmp_path):
    """Seven classes, one of them empty, eleven images."""
    generator = np.random.default_rng(0)
    for label in range(7):
        inside = tmp_path / "data" / "val" / f"n{label:08}"
        inside.mkdir(parents=True)
        for number in range(2 if label < 5 else label - 5):
            pixels = generator.integers(0, 255, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(inside / f"{number}.JPEG")
    return tmp_path / "data"


class Fixed(nn.Module):
    """Guesses the classes in one order, whatever the image."""

    def __init__(self, order):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(len(order)))
        with torch.no_grad():
            self.logits[list(order)] = torch.arange(len(order), 0, -1.0)

    def forward(self, x):
        return self.logits.expand(len(x), -1)


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_are_counted_right(folder, workers):
    shrink = preprocessing_of("my.pth", found())
    row = evaluate(
        "fixed",
        Fixed([3, 0, 6, 5, 1, 2, 4]),
        folder,
        shrink,
        classes=7,
        batch_size=4,
        workers=workers,
        progress=False,
    )
    # Classes 0 to 4 have two images each, 5 none, 6 one.
    assert row.images == 11
    assert row.top1 == pytest.approx(100 * 9 / 11)
    assert row.top5 == pytest.approx(100 * 4 / 11)
    assert error_table([row]).splitlines()[-1] == "fixed | 81.82 | 36.36 |"


def test_a_broken_image_is_named(folder):
    (folder / "val" / "n00000003" / "9.JPEG").write_bytes(b"no image")
    for workers in (0, 1):
        with pytest.raises(FolderError, match=r"n00000003/9\.JPEG: is not an image") as caught:
            evaluate(
                "fixed",
                Fixed(range(7)),
                folder,
                preprocessing_of("my.pth", found()),
                classes=7,
                workers=workers,
                progress=False,
            )
        assert "Traceback" not in str(caught.value)


def run(*arguments):
    return run_command("imagenet", list(map(str, arguments)))


def test_the_tool_makes_the_post_s_table(folder, tmp_path, monkeypatch, capsys):
    for name in ("resnet18", "resnet34"):
        net = torchvision.models.get_model(name, num_classes=7)
        both = {"raw": net.state_dict(), "ema": net.state_dict()}
        torch.save(both, tmp_path / f"{name}.pth")
    arguments = ["--arch", "resnet18", "resnet34", "--weights", tmp_path / "resnet18.pth"]
    arguments += [tmp_path / "resnet34.pth", "--data", folder, "--workers", 0, "--prefix", "ema"]
    assert run(*arguments, "--out", tmp_path / "table.md") == 0
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[:2] == ["Name | Top-1 error | Top-5 error |", "---|---|---|"]
    assert [line.split(" | ")[0] for line in lines[2:]] == ["ResNet-18", "ResNet-34"]
    assert lines[2] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--weights": ["none.pth"]}, "none.pth: there is no such file"),
        ({"--weights": ["r18.pth", "r18.pth"]}, "2 for 1 names of --arch"),
        ({"--prefix": ["ema", "raw"]}, "--prefix: 2 for 1 names of --arch"),
        (
            {"--arch": ["resnet34"]},
            "is not a resnet34 (depth=34); its weights are those of depth=18",
        ),
        ({"--data": ["nowhere"]}, "nowhere: there is no such folder"),
        ({"--data": ["empty"]}, "empty: has no subfolders"),
        ({"--weights": ["body.pth"]}, "holds no classifier"),
        ({"--weights": ["r18-3.pth"]}, "has 7 subfolders, the weights have 3 classes"),
        ({"--preprocess": ["caffee"]}, "did you mean 'caffe'"),
        ({"--device": ["gpu"]}, "--device gpu"),
    ],
)
def test_the_tool_says_a_mistake_in_one_line(change, message, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    for name, classes in (("r18", 7), ("r18-3", 3)):
        state = torchvision.models.resnet18(num_classes=classes).state_dict()
        torch.save(state, f"{name}.pth")
    torch.save({k: t for k, t in state.items() if not k.startswith("fc")}, "body.pth")
    given = {"--arch": ["resnet18"], "--weights": ["r18.pth"], "--data": ["."], "--workers": [0]}
    arguments = [text for key, values in (given | change).items() for text in (key, *values)]
    assert run(*arguments) == 2
    told = capsys.readouterr().err
    assert message in told and told.startswith("error: ") and told.count("\n") == 1


def test_names_are_written_as_papers_write_them():
    assert display_name("wide_resnet50_2") == "Wide-ResNet-50-2"
    assert display_name("resnet152") == "ResNet-152"
