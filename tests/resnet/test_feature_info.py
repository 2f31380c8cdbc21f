"""`feature_info` answers what timm's answers, and tells the truth about the maps."""

import copy
import pickle

import pytest
import torch

from resblock_backbones import FlexResNet, fuse
from resblock_backbones.resnet.feature_info import FeatureInfo

timm = pytest.importorskip("timm")

NETWORKS = [
    ("resnet18", {}, {"depth": 18}),
    ("resnet50", {}, {"depth": 50}),
    ("resnet50d", {}, {"depth": 50, "deep_stem": True, "avg_down": True}),
    ("resnet50", {"output_stride": 8}, {"depth": 50, "output_stride": 8}),
    ("resnext50_32x4d", {"output_stride": 16}, {"depth": 50, "groups": 32, "output_stride": 16}),
    ("resnet34", {"out_indices": (2, 4)}, {"depth": 34, "out_indices": (1, 3)}),
]


def both(name, theirs, ours):
    options = {"out_indices": (1, 2, 3, 4)} | theirs
    with torch.device("meta"):
        return (
            timm.create_model(name, features_only=True, **options).feature_info,
            FlexResNet(**ours).feature_info,
        )


@pytest.mark.parametrize(("name", "theirs", "ours"), NETWORKS, ids=str)
def test_every_question_is_answered_as_timm_does(name, theirs, ours):
    timms, flex = both(name, theirs, ours)
    assert len(flex) == len(timms) and flex.out_indices == timms.out_indices
    for idx in (None, 0, 2, -1, [0, 3], (1, 4)):
        assert flex.channels(idx) == timms.channels(idx)
        assert flex.reduction(idx) == timms.reduction(idx)
        assert flex.get_dicts(["num_chs", "index"], idx) == timms.get_dicts(
            ["num_chs", "index"], idx
        )
    assert flex.module_name() == timms.module_name()
    assert flex.get_dicts() == timms.get_dicts()
    assert flex.info[1:] == timms.info[1:] and flex[2] == timms[2]
    for chosen in (2, (0, 3)):
        one, other = flex.from_other(chosen), timms.from_other(chosen)
        assert one.out_indices == other.out_indices and one.channels() == other.channels()


@pytest.mark.parametrize(
    "options",
    [{}, {"deep_stem": True}, {"stem_pool": "conv"}, {"anti_alias": "blur"}, {"output_stride": 8}],
    ids=str,
)
def test_the_named_modules_give_maps_of_these_channels_and_strides(options):
    net = FlexResNet(18, width=0.25, **options).eval()
    seen = {}
    for name, module in net.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
    net(torch.zeros(1, 3, 64, 96))
    for entry in net.feature_info.info:
        stride = entry["reduction"]
        shape = (1, entry["num_chs"], 64 // stride, 96 // stride)
        assert seen[entry["module"]].shape == shape
    assert tuple(net.feature_info.channels()) == net.out_channels
    assert tuple(net.feature_info.reduction()) == net.out_strides


def test_it_stays_with_copies_pickles_and_the_fused_network():
    net = FlexResNet(18, width=0.25, out_indices=(2, 3))
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), fuse(net)):
        assert other.feature_info.channels() == [64, 128]


def test_what_cannot_be_is_refused():
    entry = {"num_chs": 8, "reduction": 4, "module": "layer1"}
    with pytest.raises(ValueError, match="has no 'module'"):
        FeatureInfo([{"num_chs": 8, "reduction": 4}], (0,))
    with pytest.raises(ValueError, match="no stride is smaller"):
        FeatureInfo([entry, entry | {"reduction": 2}], (0,))
    with pytest.raises(ValueError, match="there are 1 maps"):
        FeatureInfo([entry], (1,))
