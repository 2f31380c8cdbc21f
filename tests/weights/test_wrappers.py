"""Whatever a family's weights are wrapped in loads equal, or is refused with nothing changed."""

import random
from collections import OrderedDict, defaultdict

import pytest
import torch
import torchvision
from renamed import ClipResNet, caffe2, numbered, rt_detr
from test_detectron2_names import to_detectron2

from resblock_backbones import CheckpointError, FlexResNet, load_weights
from resblock_backbones.weights import find_backbone
from resblock_backbones.weights.network import backbone_options
from resblock_backbones.weights.reading.sources import Source

CHANNELS = (8, 16, 32, 64)


def torchvision_state():
    net = torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, (1, 2, 1, 1))
    return {key: tensor for key, tensor in net.state_dict().items() if "num_batches" not in key}


def timm_state():
    timm = pytest.importorskip("timm")
    net = timm.create_model("resnet26d", channels=CHANNELS)
    return {key: tensor for key, tensor in net.state_dict().items() if "num_batches" not in key}


def mmdet_state():
    mmdet = pytest.importorskip("mmdet.models.backbones")
    norm = {"type": "GN", "num_groups": 4}
    return mmdet.ResNet(50, base_channels=8, stem_channels=8, norm_cfg=norm).state_dict()


def clip_state():
    return ClipResNet((1, 1, 1, 1), 16).state_dict()


#: Family -> the names of its tensors, and what has to be said of it.
FAMILIES = {
    "torchvision": (torchvision_state, {}),
    "timm": (timm_state, {}),
    "numbered": (lambda: numbered(torchvision_state()), {}),
    "rt-detr": (lambda: rt_detr(timm_state()), {}),
    "detectron2": (lambda: to_detectron2(torchvision_state()), {"style": "pytorch"}),
    "caffe2": (lambda: caffe2(torchvision_state(), ("gamma", "beta", "rm", "riv")), {}),
    "mmdet": (mmdet_state, {"norm_cfg": {"type": "GN", "num_groups": 4}}),
    "clip": (clip_state, {}),
    "flex": (lambda: FlexResNet(18, width=0.125, attention="SE").state_dict(), {}),
}


@pytest.fixture(scope="module")
def states():
    """Each family's state dict with random values, its options, and a network that has them."""
    made = {}
    for name, (state, options) in FAMILIES.items():
        values = {
            key: torch.rand_like(tensor) + 0.5 if tensor.is_floating_point() else tensor
            for key, tensor in state().items()
        }
        read = backbone_options(find_backbone(values, name), Source(name, values), options)
        made[name] = values, read | options, FlexResNet.from_checkpoint(values, **options)
    return made


class Unknown:
    """A class of a training script."""

    def __init__(self):
        self.text = "text"


def wrapped(state, dice):
    """The state in random containers, behind random prefixes, beside random other things."""
    prefix = dice.choice(["", "module.", "backbone.", "model.encoder.", "_orig_mod.", "net.0."])
    content = {f"{prefix}{key}": tensor for key, tensor in state.items()}
    if prefix not in ("", "module.", "_orig_mod."):
        content["neck.conv.weight"] = torch.zeros(2, 2, 1, 1)
    for _ in range(dice.randrange(3)):
        name = f"{prefix}{dice.choice(['fc', 'head', 'projection_head', 'classifier'])}.9.weight"
        content[name] = torch.zeros(3, 4)
    container = dice.choice([dict, OrderedDict, lambda items: defaultdict(list, items)])
    content = container(content)
    for _ in range(dice.randrange(4)):
        content = dice.choice(
            [
                {"state_dict": content, "epoch": 3, "meta": {"cfg": "text"}},
                {dice.choice(["model", "net", "ema", "student"]): content, "args": Unknown()},
                {"models": [None, content], "optimizer": {"state": {0: {"exp": torch.ones(3)}}}},
                {"history": [0.5, torch.tensor(3.0)], "inner": content},
            ]
        )
    return content


def damaged(state, dice):
    """One convolution or norm of the backbone missing, misnamed, or of another shape."""
    changed = dict(state)
    keys = [key for key in state if key.endswith(("weight", "_w", "gamma")) and state[key].ndim > 0]
    keys = [key for key in keys if not key.startswith(("fc", "9.", "attnpool"))]
    key = dice.choice([key for key in keys if ".se." not in key])
    how = dice.choice(["missing", "misnamed", "reshaped"])
    tensor = changed.pop(key)
    if how == "misnamed":
        changed[key + "_"] = tensor
    if how == "reshaped":
        changed[key] = torch.cat([tensor, tensor])
    return changed, (how, key)


def draw(states, seed, path):
    dice = random.Random(seed)
    family = dice.choice(list(states))
    state, options, net = states[family]
    if dice.random() < 0.3:
        state = {key: t.double() if t.is_floating_point() else t for key, t in state.items()}
    content = wrapped(state, dice)
    if dice.random() < 0.3:
        torch.save(content, path)
        content = path
    own = net.state_dict()
    again = FlexResNet(**options)
    assert load_weights(again, content).missing == (), (seed, family)
    loaded = again.state_dict()
    assert all(torch.equal(loaded[key], own[key].to(loaded[key].dtype)) for key in own), seed

    broken, what = damaged(state, dice)
    before = {key: tensor.clone() for key, tensor in loaded.items()}
    for use in (
        lambda content: load_weights(again, content),
        lambda content: FlexResNet.from_checkpoint(content, **options),
    ):
        with pytest.raises(CheckpointError) as caught:
            use(wrapped(broken, dice))
        assert str(caught.value).isprintable(), (seed, family, what)
    after = again.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before), (seed, family, what)


@pytest.mark.parametrize("seed", range(24))
def test_a_random_family_in_random_wrappers(seed, states, tmp_path):
    draw(states, seed, tmp_path / "a.pth")


@pytest.mark.slow
def test_a_thousand_draws(states, tmp_path):
    for seed in range(1000, 2000):
        draw(states, seed, tmp_path / "a.pth")
