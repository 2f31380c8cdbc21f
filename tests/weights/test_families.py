"""Families whose names no library here writes: the features of the network they were made from."""

import pickle

import pytest
import torch
import torchvision
from renamed import ClipResNet, caffe2, numbered, rt_detr
from test_detectron2_names import arrays, assert_same_features, to_detectron2
from test_torchvision import torchvision_features

from resblock_backbones import CheckpointError, FlexResNet, load_weights
from resblock_backbones.weights import convert_checkpoint, find_backbone
from resblock_backbones.weights.errors import CheckpointWarning
from resblock_backbones.weights.pixels import pixels_of


def small_resnet(random_network):
    """Torchvision's, with bottlenecks and few of them."""
    resnet = torchvision.models.resnet
    return random_network(lambda: resnet.ResNet(resnet.Bottleneck, (1, 2, 1, 1)))


def same_as_torchvision(original, net, image):
    assert_same_features(lambda x: torchvision_features(original, x), net, image)


@pytest.mark.parametrize("wrap", ["", "0.", "backbone.", "model.features."])
@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d"])
def test_numbers_of_a_sequential(wrap, name, random_network, image):
    original = random_network(lambda: torchvision.models.get_model(name))
    state = {f"{wrap}{key}": tensor for key, tensor in numbered(original.state_dict()).items()}
    state["1.weight" if wrap == "0." else "head.weight"] = torch.zeros(10, 512)
    same_as_torchvision(original, FlexResNet.from_checkpoint(state), image)


def test_a_stem_in_a_sequential_of_its_own(random_network, image):
    original = small_resnet(random_network)
    parts = list(original.children())
    net = torch.nn.Sequential(torch.nn.Sequential(*parts[:4]), *parts[4:8])
    same_as_torchvision(original, FlexResNet.from_checkpoint(net.state_dict()), image)
    layer0 = {
        f"layer0.{key}" if key[0] in "cb" else key: tensor
        for key, tensor in original.state_dict().items()
    }
    same_as_torchvision(original, FlexResNet.from_checkpoint(layer0), image)


def test_timm_s_deep_stem_in_a_sequential(random_network, image):
    timm = pytest.importorskip("timm")
    original = random_network(lambda: timm.create_model("resnet50d"))
    net = torch.nn.Sequential(*list(original.children())[:-2])
    again = FlexResNet.from_checkpoint(net.state_dict())
    assert_same_features(
        lambda x: original.forward_intermediates(x, intermediates_only=True)[1:], again, image
    )


@pytest.mark.parametrize("prefix", ["", "visual.", "backbone.visual."])
def test_clip_s_image_encoder(prefix, random_network, image):
    original = random_network(ClipResNet, device="cpu").double()
    state = {f"{prefix}{key}": tensor for key, tensor in original.state_dict().items()}
    state |= {"transformer.resblocks.0.attn.in_proj_bias": torch.zeros(4)} if prefix else {}
    net = FlexResNet.from_checkpoint(state)
    assert_same_features(original, net, image)
    assert pixels_of("mine", find_backbone(state, "mine")).mean[0] == pytest.approx(
        122.77, abs=0.01
    )
    other = FlexResNet(50, deep_stem=True, avg_down=True)
    with pytest.warns(CheckpointWarning, match="anti_alias='average', stem_pool='average'"):
        load_weights(other, state)


def test_clip_s_wider_encoder(random_network, image):
    original = random_network(lambda: ClipResNet((2, 1, 3, 1), 40), device="cpu").double()
    net = FlexResNet.from_checkpoint({"visual": original.state_dict()})
    assert_same_features(original, net, image)


class ThreeConvs(torchvision.models.ResNet):
    """Scene parsing's: three convolutions in the stem, beside each other (arXiv 1612.01105)."""

    def __init__(self):
        super().__init__(torchvision.models.resnet.Bottleneck, (1, 2, 1, 1), width_per_group=64)
        nn = torch.nn
        for number, (before, behind) in enumerate(((3, 64), (64, 64), (64, 128)), start=1):
            conv = nn.Conv2d(before, behind, 3, 2 if number == 1 else 1, 1, bias=False)
            setattr(self, f"conv{number}", conv)
            setattr(self, f"bn{number}", nn.BatchNorm2d(behind))
        self.inplanes = 128
        self.layer1 = self._make_layer(torchvision.models.resnet.Bottleneck, 64, 1)

    def features(self, x):
        for number in (1, 2, 3):
            x = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x)).relu()
        x = self.maxpool(x)
        return [x := getattr(self, f"layer{stage}")(x) for stage in (1, 2, 3, 4)]


@pytest.mark.parametrize("prefix", ["", "module.encoder."])
def test_scene_parsing_s_stem(prefix, random_network, image, tmp_path):
    original = random_network(ThreeConvs)
    state = {f"{prefix}{key}": tensor for key, tensor in original.state_dict().items()}
    assert_same_features(original.features, FlexResNet.from_checkpoint(state), image)
    torch.save(state, tmp_path / "a.pth")
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth", "mmdet")
    again = FlexResNet.from_checkpoint(tmp_path / "b.pth")
    assert_same_features(original.features, again, image)


def test_shortcuts_of_that_name(random_network, image):
    original = small_resnet(random_network)
    state = {k.replace("downsample", "shortcut"): t for k, t in original.state_dict().items()}
    same_as_torchvision(original, FlexResNet.from_checkpoint(state), image)


def test_clip_s_poolings_are_told_where_only_its_stem_is_like_it(recwarn):
    state = ClipResNet((1, 1, 1, 1), 16).state_dict()
    FlexResNet.from_checkpoint(state)
    assert not recwarn.list
    state = {key: state[key] for key in state if not key.startswith("attnpool")}
    told = "anti_alias='average', stem_pool='average' is a guess"
    with pytest.warns(CheckpointWarning, match=told):
        FlexResNet.from_checkpoint(state)


def test_rt_detr_s_own_names(random_network, image):
    timm = pytest.importorskip("timm")
    original = random_network(lambda: timm.create_model("resnet50d"))
    state = rt_detr(original.state_dict())
    assert "res_layers.0.blocks.0.short.conv.weight" in state
    assert "res_layers.1.blocks.0.short.conv.conv.weight" in state
    whole = {f"backbone.{key}": tensor for key, tensor in state.items()}
    whole["encoder.input_proj.0.conv.weight"] = torch.zeros(4, 4, 1, 1)
    net = FlexResNet.from_checkpoint({"ema": {"module": whole, "updates": 3}})
    assert_same_features(
        lambda x: original.forward_intermediates(x, intermediates_only=True)[1:], net, image
    )


SPELLINGS = {
    "long": ("gamma", "beta", "running_mean", "running_var"),
    "short": ("s", "b", "rm", "riv"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_detectron2_s_default_file_has_statistics(spelling, random_network, image, tmp_path):
    backbones = pytest.importorskip("mmdet.models.backbones")
    original = random_network(lambda: backbones.ResNet(50, style="caffe", base_channels=16))
    named = arrays(caffe2(original.state_dict(), SPELLINGS[spelling]))
    assert "res2_0_branch1_bn_" + SPELLINGS[spelling][3] in named
    path = tmp_path / "R-50.pkl"
    path.write_bytes(pickle.dumps({"model": named, "__author__": "MSRA"}))
    net = FlexResNet.from_checkpoint(path)
    assert_same_features(original, net, image)
    with pytest.warns(CheckpointWarning, match="expect BGR images"):
        load_weights(FlexResNet(50, width=0.25, style="caffe"), path)
    with pytest.warns(CheckpointWarning, match="build it with style='caffe'"):
        load_weights(FlexResNet(50, width=0.25), path)
    convert_checkpoint(path, tmp_path / "b.pth", "mmdet")
    again = FlexResNet.from_checkpoint(tmp_path / "b.pth", style="caffe")
    assert_same_features(original, again, image)
    named["res2_0_branch2a_bn_unheard_of"] = named["res2_0_branch2a_bn_" + SPELLINGS[spelling][0]]
    path.write_bytes(pickle.dumps(named))
    for use in (
        lambda: FlexResNet.from_checkpoint(path),
        lambda: load_weights(net, path),
        lambda: convert_checkpoint(path, tmp_path / "c.pth", "mmdet"),
    ):
        with pytest.raises(CheckpointError, match="1 more tensors .res2_0_branch2a_bn_unheard_of"):
            use()


@pytest.mark.parametrize("version", [1, 2])
def test_moco_s_converter_leaves_torchvision_s_way(version, random_network, image):
    original = small_resnet(random_network)
    named = arrays(to_detectron2(original.state_dict()))
    if version == 2:
        for layer in (0, 2):
            named[f"stem.fc.{layer}.weight"] = original.fc.weight.numpy()
            named[f"stem.fc.{layer}.bias"] = original.fc.bias.numpy()
    content = {"model": named, "__author__": "MOCO", "matching_heuristics": True}
    same_as_torchvision(original, FlexResNet.from_checkpoint(content), image)
    assert pixels_of("mine", find_backbone(content, "mine")).order == "RGB"
    anonymous = {"model": named}
    with pytest.raises(CheckpointError, match="set style='pytorch'"):
        FlexResNet.from_checkpoint(anonymous)
    net = FlexResNet.from_checkpoint(anonymous, style="pytorch")
    same_as_torchvision(original, net, image)
    with pytest.warns(CheckpointWarning, match="nothing in the file says"):
        load_weights(net, anonymous)


@pytest.mark.parametrize(
    "name", ["resnet50_msra-5891d200.pth", "resnet50_caffe.pth", "faster_rcnn_r50_caffe_fpn_1x.pth"]
)
def test_a_documented_name_says_the_style_and_is_told(name, random_network, image, tmp_path):
    backbones = pytest.importorskip("mmdet.models.backbones")
    original = random_network(lambda: backbones.ResNet(50, style="caffe", base_channels=16))
    torch.save(original.state_dict(), tmp_path / name)
    with pytest.warns(CheckpointWarning, match="style='caffe' is a guess by its name"):
        net = FlexResNet.from_checkpoint(tmp_path / name)
    assert_same_features(original, net, image)
    assert (
        FlexResNet.from_checkpoint(tmp_path / name, style="pytorch").layer2[0].conv2.stride[0] == 2
    )
    found = find_backbone(original.state_dict(), str(tmp_path / name))
    assert pixels_of(name, found).order == "BGR"


def test_a_folder_of_caffe_s_says_nothing_about_the_files_in_it():
    state = torchvision.models.resnet50().state_dict()
    assert find_backbone(state, "/data/caffe/resnet50.pth").style == "pytorch"


def test_the_config_in_a_checkpoint_says_the_style():
    state = FlexResNet(50, width=0.0625, style="caffe").state_dict()
    content = {"state_dict": state, "meta": {"cfg": "backbone=dict(depth=50, style='caffe')"}}
    net = FlexResNet.from_checkpoint(content)
    assert net.layer2[0].conv1.stride == (2, 2)
    with pytest.warns(CheckpointWarning, match="style='pytorch' is a guess by most networks"):
        FlexResNet.from_checkpoint({"state_dict": state, "meta": {"mmdet_version": "2.28.0"}})


def test_the_groups_of_a_group_norm_are_told_when_assumed():
    norm = {"type": "GN", "num_groups": 4}
    state = FlexResNet(18, norm_cfg=norm).state_dict()
    with pytest.warns(CheckpointWarning, match="group norms of 32 groups.*set norm_cfg"):
        FlexResNet.from_checkpoint(state)


@pytest.mark.parametrize("style", ["pytorch", "caffe"])
def test_a_network_s_own_weights_come_back_without_a_warning(style, recwarn):
    state = FlexResNet(50, width=0.0625, style=style).state_dict()
    load_weights(FlexResNet(50, width=0.0625, style=style), state)
    assert not recwarn.list
