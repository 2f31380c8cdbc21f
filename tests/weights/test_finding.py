"""Tensors are found at any depth; which of several ResNets is meant is asked for."""

import pytest
import torch
import torchvision
from renamed import numbered

from resblock_backbones import CheckpointError, FlexResNet, load_weights
from resblock_backbones.weights import convert_checkpoint
from resblock_backbones.weights.errors import CheckpointWarning


def network():
    return FlexResNet(18, width=0.0625)


@pytest.fixture
def state():
    return network().state_dict()


def loads(content, state, **options):
    net = network()
    load_weights(net, content, **options)
    return all(torch.equal(net.state_dict()[key], state[key]) for key in state)


@pytest.mark.parametrize(
    "path",
    [
        *("model_state_dict", "net", "network", "encoder", "module", "ema", "student", "params"),
        *("model.state_dict", "ema.module.backbone", "nets.0", "checkpoint.models.1.weights"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "backbone.", "module.encoder."])
def test_any_container_at_any_depth(path, prefix, state):
    content = {f"{prefix}{key}": tensor for key, tensor in state.items()}
    for name in reversed(path.split(".")):
        content = [None, content] if name == "1" else [content] if name == "0" else {name: content}
    content |= {"epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "groups": []}}
    assert loads(content, state)
    assert loads(content, state, prefix=f"{path}.{prefix}".rstrip("."))


def test_a_tree_of_modules(state):
    tree = {}
    for key, tensor in state.items():
        place = tree
        *folders, name = key.split(".")
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = tensor
    assert loads(tree, state)


@pytest.mark.parametrize(
    ("raw", "average"),
    [("model", "model_ema"), ("state_dict", "state_dict_ema"), ("student", "teacher")],
)
def test_an_average_beside_the_weights_is_asked_for(raw, average, state, tmp_path):
    other = network().state_dict()
    content = {raw: other, average: {f"module.{key}": tensor for key, tensor in state.items()}}
    torch.save(content, tmp_path / "both.pth")
    for use in (
        lambda: load_weights(network(), tmp_path / "both.pth"),
        lambda: FlexResNet.from_checkpoint(tmp_path / "both.pth"),
        lambda: convert_checkpoint(tmp_path / "both.pth", tmp_path / "new.pth", "flex"),
    ):
        told = f"holds 2 ResNets, under '{raw}.', '{average}.module.'; choose one with prefix="
        with pytest.raises(CheckpointError, match=told):
            use()
    for prefix in (average, f"{average}.module", f"{average}.module.", f"{average}.module.."):
        assert loads(content, state, prefix=prefix)
    assert loads(content, other, prefix=raw)
    net = FlexResNet(
        18,
        width=0.0625,
        init_cfg={"type": "Pretrained", "checkpoint": content, "prefix": average},
    )
    net.init_weights()
    assert torch.equal(net.conv1.weight, state["conv1.weight"])
    convert_checkpoint(tmp_path / "both.pth", tmp_path / "new.pth", "flex", prefix=average)
    assert torch.equal(torch.load(tmp_path / "new.pth")["conv1.weight"], state["conv1.weight"])


def test_a_prefix_that_two_have_is_asked_for_in_full(state):
    one = {f"backbone.{key}": tensor for key, tensor in state.items()}
    content = {"student": one, "teacher": one}
    assert loads(content, state, prefix="teacher.backbone")
    assert loads(content, state, prefix="teacher")
    wrapped = {"teacher": {f"module.{key}": tensor for key, tensor in one.items()}}
    assert loads(content | wrapped, state, prefix="teacher.backbone")
    with pytest.raises(CheckpointError, match="2 ResNets under prefix='backbone'"):
        load_weights(network(), content, prefix="backbone")


def as_list(state):
    """As in ``self.stages = nn.ModuleList([net.layer1, ...])``, beside ``self.backbone = net``."""
    return {
        f"stages.{int(key[5]) - 1}{key[6:]}": state[key] for key in state if key.startswith("layer")
    }


ALIASES = {
    "a list of stages": as_list,
    "stages in a module": lambda state: {f"body.{k}": state[k] for k in state if k[0] == "l"},
    "members": lambda state: {f"first.{k}": t for k, t in state.items() if k.startswith("conv1")},
}


@pytest.mark.parametrize("zipped", [True, False, None])
@pytest.mark.parametrize("prefix", ["", "backbone."])
@pytest.mark.parametrize("alias", ALIASES)
def test_another_name_of_a_tensor_is_not_another_tensor(alias, prefix, zipped, tmp_path, recwarn):
    state = torchvision.models.resnet18().state_dict()
    content = ALIASES[alias](state) | {prefix + key: one for key, one in state.items()}
    if zipped is not None:
        path = tmp_path / "a.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
    net = FlexResNet.from_checkpoint(content if zipped is None else path)
    assert torch.equal(net.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    assert torch.equal(net.conv1.weight, state["conv1.weight"]) and not recwarn.list
    # The same numbers in a memory of their own may be of another network.
    content |= {key: tensor.clone() for key, tensor in ALIASES[alias](state).items()}
    if alias == "stages in a module" or not prefix:
        with pytest.raises(CheckpointError, match=r"holds 2 ResNets|more tensors"):
            load_weights(net, content)


def test_inside_a_known_part_another_name_is_an_error(state):
    content = state | {"layer1.0.conv1.other": state["layer1.0.conv1.weight"]}
    with pytest.raises(CheckpointError, match=r"layer1\.0\.conv1\.other"):
        load_weights(network(), content)


def test_two_names_of_a_whole_resnet_are_asked_for(state):
    for others in ({f"net.{k}": t for k, t in state.items()}, numbered(state)):
        both = {f"backbone.{key}": one for key, one in state.items()} | others
        with pytest.raises(CheckpointError, match="holds 2 ResNets, under 'backbone.', '"):
            load_weights(network(), both)
        assert loads(both, state, prefix="backbone")


def test_averages_without_names_are_told(state):
    content = {"state_dict": state, "ema": {"shadow_params": list(state.values())}}
    with pytest.warns(CheckpointWarning, match="averaged weights too .ema., which are not used"):
        assert loads(content, state)


@pytest.mark.parametrize("lost", ["layer1.0.conv1.weight", "layer1.0.conv2.weight"])
def test_no_single_name_is_what_a_backbone_is_found_by(lost, state):
    content = {f"backbone.{key}": tensor for key, tensor in state.items() if key != lost}
    with pytest.raises(CheckpointError, match=f"does not match.*1 missing .{lost}"):
        load_weights(network(), content)


@pytest.mark.parametrize("prefix", ["", "backbone."])
@pytest.mark.parametrize(
    "name",
    [
        *("conv2.weight", "ca.fc.0.weight", "layer1.0.ca.fc.0.weight", "NL_1.0.theta.weight"),
        *("relu.weight", "act1.weight", "layer0.0.conv1.weight", "stem.conv1.weight"),
    ],
)
def test_a_tensor_inside_that_nobody_would_load_is_an_error_everywhere(
    name, prefix, state, tmp_path
):
    content = {f"{prefix}{key}": tensor for key, tensor in state.items()}
    content[prefix + name] = torch.zeros(3)
    torch.save(content, tmp_path / "a.pth")
    for use in (
        lambda: load_weights(network(), content),
        lambda: FlexResNet.from_checkpoint(content),
        lambda: convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth", "flex"),
    ):
        with pytest.raises(CheckpointError, match=name):
            use()
    with pytest.warns(CheckpointWarning, match=name):
        load_weights(network(), content, allow_partial=True)


@pytest.mark.parametrize("prefix", ["", "backbone."])
@pytest.mark.parametrize(
    "name",
    [
        *("fc.weight", "projection_head.0.weight", "head.conv.weight", "last_linear.weight"),
        *("train_acc.tp", "hm.0.weight", "extras.0.weight", "toplayer.weight", "reg.1.bias"),
        *("embedding.weight", "decoder.0.weight", "bottleneck.running_mean", "output.bias"),
    ],
)
def test_a_head_never_is(name, prefix, state, tmp_path, recwarn):
    content = {f"{prefix}{key}": tensor for key, tensor in state.items()}
    content |= {prefix + name: torch.zeros(3), "queue": torch.zeros(2, 4)}
    torch.save(content, tmp_path / "a.pth")
    assert loads(content, state)
    FlexResNet.from_checkpoint(content)
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth", "flex")
    assert not [one for one in recwarn if one.category is CheckpointWarning]


def test_containers_without_an_end_are_refused(state):
    loop = {"a": state}
    loop["loop"] = loop
    assert loads(loop, state)
    deep = state
    for _ in range(200):
        deep = [deep]
    with pytest.raises(CheckpointError, match="nested more than"):
        load_weights(network(), {"deep": deep})
    wide = {"a": torch.zeros(1)}
    for _ in range(30):
        wide = {str(number): wide for number in range(10)}
    with pytest.raises(CheckpointError, match="more than 200,000 tensors"):
        load_weights(network(), wide)


def test_names_cannot_move_the_terminal_s_cursor(state):
    content = {**state, "layer1.0.\x1b[2J\rgate.weight": torch.zeros(2)}
    for use in (load_weights, lambda net, content: FlexResNet.from_checkpoint(content)):
        with pytest.raises(CheckpointError, match=r"\\x1b\[2J\\rgate") as caught:
            use(network(), content)
        assert str(caught.value).isprintable()


def test_weights_of_a_fused_network_are_called_so():
    from resblock_backbones import fuse

    fused = fuse(network().eval())
    for partial in (False, True):
        with pytest.raises(CheckpointError, match="these weights were fused"):
            load_weights(network(), fused.state_dict(), allow_partial=partial)
    with pytest.raises(CheckpointError, match="fused"):
        FlexResNet.from_checkpoint(fused.state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.to_sparse(), "is sparse"),
        (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "is quantised"),
        (lambda t: (t * 100).to(torch.int8), "holds int8 numbers"),
        (lambda t: t / 0, "not finite"),
        (lambda t: t * float("nan"), "not finite"),
        (lambda t: t.double() * 1e300, "not finite"),
        (lambda t: t.to("meta"), "has no values"),
        (lambda t: t[:1], "does not match"),
    ],
)
def test_no_load_that_fails_changes_a_tensor(change, message, state):
    net = network()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    state["layer4.1.conv2.weight"] = change(torch.rand_like(state["layer4.1.conv2.weight"]) + 1)
    with pytest.raises(CheckpointError, match=message):
        load_weights(net, state)
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())


@pytest.mark.parametrize("kind", ["lazy", "nested"])
def test_tensors_without_a_shape_are_none(kind, state):
    own = state["layer4.1.conv2.weight"]
    lazy = torch.nn.parameter.UninitializedParameter()
    state["layer4.1.conv2.weight"] = lazy if kind == "lazy" else torch.nested.nested_tensor([own])
    for use in (load_weights, lambda net, content: FlexResNet.from_checkpoint(content)):
        with pytest.raises(CheckpointError, match=r"layer4\.1\.conv2\.weight"):
            use(network(), state)


def test_a_network_is_not_made_of_a_tensor_without_values(state):
    state["layer4.1.conv2.weight"] = state["layer4.1.conv2.weight"].to("meta")
    with pytest.raises(CheckpointError, match=r"layer4\.1\.conv2\.weight has no values"):
        FlexResNet.from_checkpoint(state)
    with torch.device("meta"):
        assert FlexResNet.from_checkpoint(state).conv1.weight.shape == state["conv1.weight"].shape


def test_a_linear_layer_behind_the_last_stage_is_a_classifier_by_any_name(state):
    age = {"age.weight": torch.zeros(3, 32), "age.bias": torch.zeros(3)}
    assert loads(state | age, state)
    gate = {"age.weight": torch.zeros(3, 8)}
    with pytest.raises(CheckpointError, match=r"age\.weight"):
        load_weights(network(), state | gate)


def test_lists_and_pairs_are_containers_too(state, tmp_path):
    for content in ([state], (state, {"lr": 0.1}), [None, {"model": state}]):
        torch.save(content, tmp_path / "a.pth")
        assert loads(tmp_path / "a.pth", state)
    torch.save([state, state], tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="2 ResNets, under '0.', '1.'"):
        load_weights(network(), tmp_path / "a.pth")
    assert loads({key.encode(): tensor for key, tensor in state.items()}, state)
    for wrong in (network(), 3):
        with pytest.raises(TypeError, match=f"source: is of type {type(wrong).__name__}; give"):
            load_weights(network(), wrong)


MADE_OVER = {
    "pruned": ("weight", "weight_orig"),
    "parametrized": ("weight", "parametrizations.weight.original0"),
    "quantised": ("weight", "zero_point"),
    "given adapters": ("weight", "base_layer.weight"),
    "sharded": ("weight", "_flat_param"),
}


@pytest.mark.parametrize("where", ["layer2.0.conv1.", ""])
@pytest.mark.parametrize("what", MADE_OVER)
def test_a_network_that_was_made_over_is_called_so(what, where, state):
    part, other = MADE_OVER[what]
    content = {
        key.removesuffix(part) + other if key.startswith(where) and key.endswith(part) else key: t
        for key, t in state.items()
    }
    for use in (load_weights, lambda net, content: FlexResNet.from_checkpoint(content)):
        with pytest.raises(CheckpointError, match=f"is of a network that was {what}.*; "):
            use(network(), content)
    # In a head it is no matter.
    head = {"backbone." + key: tensor for key, tensor in state.items()}
    assert loads(head | {f"head.last.{other}": torch.zeros(2)}, state)


def test_the_names_that_deepspeed_leaves_are_no_weights(state):
    empty = {key: torch.empty(0) if key.endswith("weight") else t for key, t in state.items()}
    with pytest.raises(CheckpointError, match="split by DeepSpeed; its zero_to_fp32.py"):
        load_weights(network(), {"module": empty})


def test_a_negative_variance_is_damage(state):
    state["layer1.0.bn1.running_var"] = -state["layer1.0.bn1.running_var"]
    with pytest.raises(CheckpointError, match="holds a negative variance"):
        load_weights(network(), state)
