"""Hugging Face transformers' ResNets, of its classes with random weights."""

import json

import pytest
import torch
from test_detectron2_names import assert_same_features

from resblock_backbones import FlexResNet, load_weights
from resblock_backbones.weights import convert_checkpoint
from resblock_backbones.weights.errors import CheckpointWarning

transformers = pytest.importorskip("transformers")

SIZES = {"depths": [1, 2, 2, 1], "out_features": ["stage1", "stage2", "stage3", "stage4"]}
BASIC = {"layer_type": "basic", "hidden_sizes": [64, 128, 256, 512]}


@pytest.mark.parametrize("options", [{}, BASIC, {"downsample_in_bottleneck": True}])
def test_resnet_s_features(options, random_network, image):
    config = transformers.ResNetConfig(**SIZES, **options)
    original = random_network(lambda: transformers.ResNetBackbone(config), device="cpu").double()
    state = {f"resnet.{key}": tensor for key, tensor in original.state_dict().items()}
    state |= {"classifier.1.weight": torch.zeros(3, 4), "classifier.1.bias": torch.zeros(3)}
    style = {"style": "caffe"} if options.get("downsample_in_bottleneck") else {}
    net = FlexResNet.from_checkpoint(state, **style)
    assert_same_features(lambda x: original(x).feature_maps, net, image)


@pytest.mark.parametrize("options", [{}, BASIC], ids=["r50vd", "r18vd"])
def test_rt_detr_s_resnet_vd(options, random_network, image, tmp_path):
    config = transformers.RTDetrResNetConfig(**SIZES, **options)
    original = random_network(
        lambda: transformers.RTDetrResNetBackbone(config), device="cpu"
    ).double()
    state = {f"model.backbone.model.{key}": t for key, t in original.state_dict().items()}
    state["model.encoder.fpn.0.weight"] = torch.zeros(2, 2)
    torch.save(state, tmp_path / "a.pth")
    net = FlexResNet.from_checkpoint(tmp_path / "a.pth")
    assert_same_features(lambda x: original(x).feature_maps, net, image)
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth", "transformers-rt-detr")
    again = torch.load(tmp_path / "b.pth")
    assert all(torch.equal(again[key], t) for key, t in original.state_dict().items())
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "c.pth", "rt-detr")
    net = FlexResNet.from_checkpoint(tmp_path / "c.pth")
    assert_same_features(lambda x: original(x).feature_maps, net, image)


@pytest.mark.parametrize("options", [{}, {"downsample_in_bottleneck": True}])
def test_a_name_of_the_hub(options, random_network, image, tmp_path, monkeypatch):
    safetensors = pytest.importorskip("safetensors.torch")
    config = transformers.ResNetConfig(**SIZES, **options)
    original = random_network(lambda: transformers.ResNetBackbone(config), device="cpu").double()
    state = {f"resnet.{key}": tensor for key, tensor in original.state_dict().items()}
    files = {"config.json": json.dumps(config.to_dict()).encode()}
    files["model.safetensors"] = safetensors.save(
        {key: tensor.clone() for key, tensor in state.items()}
    )
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    # In place of a download.
    monkeypatch.setattr(
        "huggingface_hub.hf_hub_download", lambda _, name, revision: str(tmp_path / name)
    )
    net = FlexResNet.from_checkpoint("hf-hub:microsoft/resnet-50")
    assert_same_features(lambda x: original(x).feature_maps, net, image)


def test_the_config_in_a_folder_says_what_weights_do_not_show(random_network, image, tmp_path):
    config = transformers.ResNetConfig(**SIZES, downsample_in_bottleneck=True)
    original = random_network(lambda: transformers.ResNetBackbone(config), device="cpu").double()
    original.config.save_pretrained(tmp_path)
    torch.save(original.state_dict(), tmp_path / "pytorch_model.bin")
    for source in (tmp_path, tmp_path / "pytorch_model.bin"):
        net = FlexResNet.from_checkpoint(source)
        assert_same_features(lambda x: original(x).feature_maps, net, image)
    plain = FlexResNet.from_checkpoint(tmp_path, style="pytorch")
    with pytest.warns(CheckpointWarning, match="its store says so.; build it with style='caffe'"):
        load_weights(plain, tmp_path)
