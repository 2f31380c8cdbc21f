"""Names with a scheme go through their libraries' own loaders and caches; nothing is downloaded."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision

from resblock_backbones import CheckpointError, FlexResNet, load_weights
from resblock_backbones.weights.reading import timm_source


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """PyTorch's cache, empty, and no network."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))

    def refuse(*arguments, **options):
        raise URLError("no network in tests")

    monkeypatch.setattr("torch.hub.urlopen", refuse)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return folder


def same(net, state):
    return all(torch.equal(net.state_dict()[key], state[key]) for key in ("conv1.weight",))


def test_a_url_is_taken_from_pytorch_s_cache(hub):
    state = FlexResNet(18, width=0.25).state_dict()
    torch.save(state, hub / "r18.pth")
    net = FlexResNet.from_checkpoint("https://example.org/weights/r18.pth?download=1")
    assert same(net, state)
    with pytest.raises(CheckpointError, match="other.pth: cannot be downloaded .no network"):
        load_weights(net, "https://example.org/other.pth")


def test_torchvision_s_name_is_taken_from_its_cache_and_its_hash_is_checked(hub, monkeypatch):
    state = torchvision.models.resnet18().state_dict()
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    file = hub / weights.url.rpartition("/")[2]
    torch.save(state, file)
    for name in ("torchvision://resnet18", "torchvision://resnet18.imagenet1k_v1"):
        net = FlexResNet.from_checkpoint(name, out_indices=(3,))
        assert same(net, state) and net.out_channels == (512,)
    with pytest.raises(CheckpointError, match="torchvision has no such weights.*IMAGENET1K_V7"):
        load_weights(net, "torchvision://resnet18.imagenet1k_v7")
    with pytest.raises(CheckpointError, match="torchvision://resnet18x: torchvision has no such"):
        load_weights(net, "torchvision://resnet18x")
    with pytest.raises(CheckpointError, match="torchvision://resnet34: cannot be downloaded"):
        load_weights(net, "torchvision://resnet34")


def test_a_poisoned_cache_runs_nothing(hub, capfd):
    class RunsCode:
        def __reduce__(self):
            return (print, ("never",))

    file = hub / torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    torch.save({"evil": RunsCode()}, file)
    with pytest.raises(CheckpointError, match="refused.*print"):
        load_weights(FlexResNet(18), "torchvision://resnet18")
    assert "never" not in "".join(capfd.readouterr())


OFFLINE = """
import sys
from resblock_backbones import FlexResNet, CheckpointError
for name in sys.argv[1:]:
    try:
        net = FlexResNet.from_checkpoint(name)
        print(name, float(net.conv1.weight.detach().double().sum()), net.layer2[0].aa is not None)
    except CheckpointError as error:
        print(name, "refused:", error)
"""


def test_timm_s_names_are_taken_from_its_cache(tmp_path):
    timm = pytest.importorskip("timm")
    safetensors = pytest.importorskip("safetensors.torch")
    model = timm.create_model("resnetblur18")
    cfg = {"architecture": "resnetblur18", "num_classes": 1000, "pretrained_cfg": {"tag": "a1"}}
    for repository in ("timm/resnetblur50.bt_in1k", "somebody/blurred"):
        folder = tmp_path / f"models--{repository.replace('/', '--')}"
        snapshot = folder / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("0" * 40)
        safetensors.save_file(dict(model.state_dict()), snapshot / "model.safetensors")
        (snapshot / "config.json").write_text(json.dumps(cfg))
    names = ["hf-hub:somebody/blurred", "hf-hub:nobody/nothing", "timm://resnet18"]
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, *names],
        capture_output=True,
        text=True,
        env={"HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path.cwd())},
    )
    assert done.returncode == 0, done.stderr
    found, nothing, not_there = done.stdout.splitlines()
    total = float(model.conv1.weight.detach().double().sum())
    assert found.split()[1:] == [str(total), "True"]
    assert "refused: hf-hub:nobody/nothing: timm cannot load its config" in nothing
    assert "refused: timm://resnet18: timm cannot load its weights" in not_there


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm://resnet51", "timm has no model 'resnet51'"),
        ("timm://resnet50.no_such_tag", "timm has no weights 'no_such_tag' for 'resnet50'"),
        ("timm://vit_tiny_patch16_224", "is timm's VisionTransformer, not a ResNet"),
        ("timm://seresnet200d", "timm has no weights"),
    ],
)
def test_what_timm_does_not_have(name, message):
    pytest.importorskip("timm")
    with pytest.raises(CheckpointError, match=message) as caught:
        FlexResNet.from_checkpoint(name)
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_every_weights_name_of_timm_s_resnets_is_understood():
    timm = pytest.importorskip("timm")
    ours = set(timm.list_models(module="resnet"))
    names = [name for name in timm.list_pretrained() if name.partition(".")[0] in ours]
    for name in names:
        architecture, cfg, _ = timm_source._describe(f"timm://{name}")
        assert name.partition(".")[0] == architecture
        assert cfg.get("hf_hub_id") or cfg.get("url"), name
    assert len(names) > 100


def test_mmengine_s_names_are_taken_from_its_cache(hub, tmp_path, monkeypatch):
    pytest.importorskip("mmengine")
    from mmengine.runner.checkpoint import get_external_models

    url = get_external_models()["detectron2/resnet50_caffe"]
    state = FlexResNet(50, width=0.25).state_dict()
    torch.save({"state_dict": state}, hub / url.rpartition("/")[2])
    net = FlexResNet(50, width=0.25, style="caffe")
    report = load_weights(net, "open-mmlab://detectron2/resnet50_caffe")
    assert report.missing == () and same(net, state)
    # The name says what the weights do not show.
    whole = FlexResNet.from_checkpoint("open-mmlab://detectron2/resnet50_caffe")
    assert whole.layer2[0].conv1.stride == (2, 2) and same(whole, state)
    init_cfg = {"type": "Pretrained", "checkpoint": "open-mmlab://detectron2/resnet50_caffe"}
    net = FlexResNet(50, width=0.25, init_cfg=init_cfg)
    net.init_weights()
    assert same(net, state)
    with pytest.raises(CheckpointError, match="open-mmlab://none: MMEngine has no such weights"):
        load_weights(net, "open-mmlab://none")


def test_an_unknown_scheme_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"elsewhere://weights: .*there is no such file"):
        load_weights(FlexResNet(18, width=0.25), "elsewhere://weights")


def test_a_file_s_kind_is_told_by_its_contents_not_by_its_name(tmp_path):
    state = FlexResNet(18, width=0.25).state_dict()
    torch.save(state, tmp_path / "weights")
    torch.save(state, tmp_path / "weights.pkl")
    pytest.importorskip("safetensors.torch").save_file(dict(state), tmp_path / "weights.pth")
    for name in ("weights", "weights.pkl", "weights.pth"):
        assert load_weights(FlexResNet(18, width=0.25), tmp_path / name).missing == ()
