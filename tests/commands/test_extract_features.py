"""What `tools/extract_features.py` writes are the network's own maps, and bad input is told."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.models import resnet18
from torchvision.models._utils import IntermediateLayerGetter

from resblock_backbones.commands.front import run_command
from resblock_backbones.data import make_shapes
from resblock_backbones.features import read_features

TOOL = Path(__file__).parents[2] / "tools/extract_features.py"
CONFIG = TOOL.parents[1] / "configs/faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    make_shapes(folder / "shapes", train=1, val=5, progress=False)
    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), folder / "r18.pth")
    return folder


@pytest.fixture
def photos(made, tmp_path, monkeypatch):
    """A folder with five images of three sizes, one of them turned by its Exif tag."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(made / "r18.pth", "r18.pth")
    Path("photos/inside").mkdir(parents=True)
    files = sorted((made / "shapes/val").iterdir())
    Image.open(files[0]).save("photos/a.png")
    Image.open(files[1]).save("photos/b.png")
    Image.open(files[2]).crop((0, 0, 130, 100)).save("photos/inside/a.png")
    turned = Image.open(files[3]).crop((0, 0, 96, 64))
    exif = turned.getexif()
    exif[0x0112] = 6  # lies on its side
    turned.save("photos/turned.png", exif=exif)
    Image.open(files[4]).convert("L").save("photos/grey.png")
    return tmp_path / "photos"


def torchvisions_maps(file: Path, size: int | None = None) -> list[torch.Tensor]:
    """The stages' maps by torchvision's network, transforms and reader alone."""
    net = resnet18()
    net.load_state_dict(torch.load("r18.pth"))
    body = IntermediateLayerGetter(net.eval(), {f"layer{k}": str(k) for k in (1, 2, 3, 4)})
    image = Image.open(file)
    if image.getexif().get(0x0112) == 6:
        image = image.transpose(Image.Transpose.ROTATE_270)
    steps = [] if size is None else [transforms.Resize(size)]
    steps += [
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
    with torch.no_grad():
        x = transforms.Compose(steps)(image.convert("RGB"))[None]
        return [one[0] for one in body(x).values()]


def run(*arguments) -> int:
    return run_command("features", [str(one) for one in arguments])


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
@pytest.mark.parametrize("size", [None, 72])
def test_images_of_any_size_give_torchvisions_maps(photos, kind, size):
    if kind == "safetensors":
        pytest.importorskip("safetensors")
    more = () if size is None else ("--size", size)
    assert run(photos, "--weights", "r18.pth", "--out", "out", "--format", kind, *more) == 0
    names = ["a", "b", "grey", "inside/a", "turned"]
    assert sorted(str(one.relative_to("out")) for one in Path("out").rglob("*.*")) == [
        f"{name}.{kind}" for name in names
    ]
    for name in names:
        found = read_features(Path("out", f"{name}.{kind}"))
        wanted = torchvisions_maps(photos / f"{name}.png", size)
        assert found.strides == (4, 8, 16, 32) and list(found.maps) == [
            f"layer{k}" for k in (1, 2, 3, 4)
        ]
        assert found.shapes == tuple(tuple(one.shape) for one in wanted)
        for one, want in zip(found.maps.values(), wanted, strict=True):
            torch.testing.assert_close(one, want, rtol=1e-3, atol=1e-4)
    assert read_features(Path(f"out/turned.{kind}")).image_size[0] > 90 - (size or 0)


def test_the_files_open_without_this_package(photos):
    pytest.importorskip("safetensors")
    from safetensors import safe_open

    for kind in ("npz", "safetensors"):
        assert run(photos / "a.png", "--weights", "r18.pth", "--out", "o", "--format", kind) == 0
    with np.load("o/a.npz") as arrays, safe_open("o/a.safetensors", "np") as opened:
        assert arrays["strides"].tolist() == [4, 8, 16, 32]
        assert arrays["shapes"].tolist()[3] == [512, 5, 5] == list(arrays["layer4"].shape)
        assert arrays["image_size"].tolist() == [160, 160]
        told = {name: json.loads(text) for name, text in opened.metadata().items()}
        assert told["strides"] == [4, 8, 16, 32] and told["image_size"] == [160, 160]
        assert (opened.get_tensor("layer4") == arrays["layer4"]).all()


def test_a_config_gives_its_backbone_its_weights_and_its_pixels(photos):
    pytest.importorskip("mmdet")
    from resblock_backbones import FlexResNet

    net = FlexResNet(18, width=0.5, zero_init_residual=False).eval()
    state = {f"backbone.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": state, "meta": {}}, "detector.pth")
    changed = ("--cfg-options", "model.data_preprocessor.mean=[1,2,3]")
    arguments = ("--config", CONFIG, "--checkpoint", "detector.pth", "--out", "out", *changed)
    assert run(photos / "a.png", *arguments) == 0
    pixels = torch.from_numpy(np.array(Image.open(photos / "a.png"))).permute(2, 0, 1).float()
    mean, std = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([58.395, 57.12, 57.375])
    with torch.no_grad():
        wanted = net(((pixels - mean[:, None, None]) / std[:, None, None])[None])
    found = read_features(Path("out/a.npz"))
    for one, want in zip(found.maps.values(), wanted, strict=True):
        torch.testing.assert_close(one, want[0], rtol=1e-4, atol=1e-4)


def test_another_librarys_backbone_has_its_strides_read_off(photos):
    pytest.importorskip("mmdet")
    Path("theirs.py").write_text(
        "default_scope = 'mmdet'\n"
        "model = dict(backbone=dict(type='ResNet', depth=18, base_channels=64))\n"
    )
    assert run(photos / "inside/a.png", "--config", "theirs.py", "--out", "out") == 0
    assert read_features(Path("out/a.npz")).strides == (4, 8, 16, 32)


def test_options_reach_the_network_and_half_the_numbers_half_the_file(photos):
    options = ("--options", "width=0.25", "output_stride=8", "out_indices=2,3", "style=caffe")
    for dtype in ("float32", "float16"):
        arguments = ("--depth", 18, *options, "--dtype", dtype, "--out", dtype)
        assert run(photos / "a.png", *arguments) == 0
    found = read_features(Path("float16/a.npz"))
    assert found.strides == (8, 8) and found.shapes == ((64, 20, 20), (128, 20, 20))
    assert found.maps["layer4"].dtype == torch.float16
    whole = read_features(Path("float32/a.npz"))
    torch.testing.assert_close(
        found.maps["layer4"].float(), whole.maps["layer4"], rtol=1e-3, atol=1e-3
    )


def test_show_draws_a_row_for_each_stage(photos):
    assert run(photos, "--depth", 18, "--out", "out", "--show") == 0
    drawn = Image.open("out/inside/a.png")
    assert drawn.width > 6 * 160 and drawn.height > 4 * 120
    rows = np.asarray(drawn.convert("L")).std(axis=1) > 20  # white between the rows
    assert np.count_nonzero(np.diff(rows.astype(int)) == 1) >= 4


def test_an_interrupted_run_goes_on_with_what_is_missing(photos, capsys):
    arguments = (photos, "--depth", 18, "--out", "out")
    assert run(*arguments) == 0
    kept = Path("out/a.npz").stat().st_mtime_ns
    Path("out/b.npz").unlink()
    assert "already exists (4 of 5 files do)" in refused(capsys, *arguments)
    assert run(*arguments, "--keep") == 0
    assert "1 written, 4 skipped" in capsys.readouterr().out
    assert Path("out/a.npz").stat().st_mtime_ns == kept and Path("out/b.npz").is_file()
    assert run(*arguments, "--force") == 0
    assert Path("out/a.npz").stat().st_mtime_ns > kept


def refused(capsys, *arguments):
    capsys.readouterr()
    assert run(*arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1 and lines[-1] == errors[0] and len(lines) < 7, lines
    return errors[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.png", "--depth", 18], "gone.png: there is no such file or folder"),
        (["empty", "--depth", 18], "empty: there is no image in this folder"),
        (["*.jpg", "--depth", 18], "*.jpg: no image matches this pattern"),
        (["photos"], "no network: give CONFIG, --depth or --weights"),
        (["photos", "--depth", 20], "depth=20: must be one of 18, 34, 50"),
        (["photos", "--depth", 18, "--options", "dpeth=2"], "no option 'dpeth'; did you mean"),
        (["photos", "--depth", 18, "--options", "width"], "--options width: write it as"),
        (["photos", "--depth", 50, "--weights", "r18.pth"], "r18.pth: does not match"),
        (["photos", "--weights", "gone.pth"], "gone.pth"),
        (["photos", "--weights", "photos/a.png"], "photos/a.png"),
        (["photos", "--depth", 18, "--checkpoint", "r18.pth"], "--checkpoint: goes with --config"),
        (["photos", "--config", "c.py", "--depth", 18], "--depth: cannot be given beside --config"),
        (["photos", "--config", "gone.py"], "gone.py: there is no such file"),
        (["photos", "--depth", 18, "--device", "gpu"], "--device gpu: cannot be used here"),
        (["photos", "--depth", 18, "--batch-size", 0], "batch-size=0: must be an integer"),
        (["photos", "--depth", 18, "--size", 0], "size=0: must be an integer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_told_in_one_line_and_nothing_is_written(photos, capsys, arguments, message):
    Path("empty").mkdir()
    if "--config" in arguments:
        pytest.importorskip("mmdet")
    assert message in refused(capsys, *arguments, "--out", "out")
    assert not Path("out").exists()


def test_broken_images_are_named_when_the_others_are_done(photos, capsys):
    whole = (photos / "a.png").read_bytes()
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "text.jpg").write_text("no image")
    line = refused(capsys, photos, "--depth", 18, "--out", "out")
    assert "2 of 7 images could not be read" in line
    assert "cut.png: the image is cut off" in line and "text.jpg: the file is no image" in line
    assert len(list(Path("out").rglob("*.npz"))) == 5
    assert not [one for one in Path("out").rglob("*") if one.name.startswith(("cut", ".", "text"))]


def test_the_tool_runs_as_a_script(photos):
    command = [sys.executable, str(TOOL), str(photos), "--depth", "18", "--out", "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "images: 5 of 5" in done.stderr and "they are random" in done.stderr
    assert "5 written" in done.stdout


def test_two_networks_in_a_file_are_told_apart_by_prefix(photos, capsys):
    raw, average = resnet18().state_dict(), torch.load("r18.pth")
    torch.save(
        {"model": raw, "model_ema": {f"module.{k}": average[k] for k in average}}, "both.pth"
    )
    assert run(photos, "--weights", "both.pth", "--out", "out") == 2
    assert "'model.', 'model_ema.module.'; choose one with prefix=" in capsys.readouterr().err
    for more in ((), ("--depth", "18")):
        out = f"out{len(more)}"
        given = ("--weights", "both.pth", "--prefix", "model_ema", *more)
        assert run(photos, *given, "--out", out) == 0
        found = read_features(Path(out, "a.npz")).maps["layer4"]
        assert np.abs(found - torchvisions_maps(photos / "a.png")[3].numpy()).max() < 1e-4


def test_weights_in_double_precision_give_the_same_features(photos):
    state = {
        key: tensor.double() if tensor.is_floating_point() else tensor
        for key, tensor in torch.load("r18.pth").items()
    }
    torch.save(state, "double.pth")
    assert run(photos, "--weights", "double.pth", "--out", "out") == 0
    found = read_features(Path("out", "a.npz")).maps["layer4"]
    assert np.abs(found - torchvisions_maps(photos / "a.png")[3].numpy()).max() < 1e-4


def test_a_network_of_thirteen_bands_is_told_in_one_line(photos, capsys):
    net = resnet18()
    net.conv1 = torch.nn.Conv2d(13, 64, 7, 2, 3, bias=False)
    torch.save(net.state_dict(), "sentinel.pth")
    assert run(photos, "--weights", "sentinel.pth", "--out", "out") == 2
    told = capsys.readouterr().err
    assert "takes 13 channels, these images have 3" in told and "Traceback" not in told


def test_three_bands_of_thirteen_make_a_network_for_photos(photos, capsys):
    net = resnet18().eval()
    state = net.state_dict()
    many = 0.02 * torch.randn(64, 13, 7, 7)
    torch.save(state | {"conv1.weight": many}, "sentinel.pth")
    torch.save(state | {"conv1.weight": many[:, [3, 2, 1]]}, "r18.pth")
    for more in ((), ("--depth", "18")):
        given = ("--weights", "sentinel.pth", "--bands", "3,2,1", *more)
        assert run(photos, *given, "--out", f"out{len(more)}") == 0
        found = read_features(Path(f"out{len(more)}", "a.npz")).maps["layer4"]
        assert np.abs(found - torchvisions_maps(photos / "a.png")[3].numpy()).max() < 1e-4
    assert run(photos, "--weights", "r18.pth", "--bands", "0,5,1", "--out", "out3") == 2
    told = capsys.readouterr().err
    assert "has 3 input channels, the last of which is number 2" in told
    assert run(photos, "--depth", "18", "--bands", "3,2,1", "--out", "out3") == 2
    assert "--bands: there are no weights" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(photos, "--weights", "r18.pth", "--bands", "red,green", "--out", "out3")
    assert "write numbers of the weights' channels from 0, or none" in capsys.readouterr().err


def test_a_guess_about_the_weights_is_one_line_of_warning(photos, capsys):
    from torchvision.models import resnet50

    torch.save(resnet50().state_dict(), "resnet50_caffe.pth")
    script = [sys.executable, TOOL, "photos/grey.png", "--weights", "resnet50_caffe.pth"]
    done = subprocess.run([*script, "--out", "out"], capture_output=True, text=True, check=True)
    told = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert "style='caffe' is a guess by its name, which holds 'caffe'" in told[0]
    assert "expect BGR images, from 0 to 255, as its name, which holds 'caffe' says" in told[1]
