"""Weights are loaded whole and told about, or refused with the network untouched."""

import copy

import pytest
import torch
import torchvision

from resblock_backbones import CheckpointError, FlexResNet, load_weights


def test_a_torchvision_file_and_a_whole_detector_s_file_load(tmp_path):
    original = torchvision.models.resnet18(weights=None)
    torch.save(original.state_dict(), tmp_path / "resnet18.pth")
    net = FlexResNet(18)
    report = load_weights(net, tmp_path / "resnet18.pth")
    assert report.missing == () and report.unexpected == ("fc.bias", "fc.weight")
    assert torch.equal(net.layer4[1].conv2.weight, original.layer4[1].conv2.weight)

    whole = {f"module.backbone.{name}": value for name, value in net.state_dict().items()}
    whole["module.roi_head.weight"] = torch.zeros(1)
    other = FlexResNet(18)
    assert load_weights(other, {"state_dict": whole}).unexpected == ()
    assert torch.equal(other.conv1.weight, net.conv1.weight)


def test_counters_of_batches_may_be_missing():
    state = {k: v for k, v in FlexResNet(18).state_dict().items() if "num_batches" not in k}
    assert load_weights(FlexResNet(18), state).missing == ()


class RunsCode:
    def __reduce__(self):
        return (print, ("this must never be printed",))


@pytest.mark.parametrize(
    "damage", ["missing", "cut", "text", "empty", "code", "depth", "width", "head"]
)
def test_what_does_not_fit_is_refused_and_the_network_stays_as_it_was(tmp_path, damage, capsys):
    path = tmp_path / "weights.pth"
    state = FlexResNet(18, width=0.25).state_dict()
    content = {
        "empty": {},
        "code": {"state_dict": state, "meta": RunsCode()},
        "depth": FlexResNet(34, width=0.125).state_dict(),
        "width": FlexResNet(18, width=0.5).state_dict(),
        "head": {"fc.weight": torch.zeros(2, 2)},
    }.get(damage, state)
    if damage == "text":
        path.write_text("no checkpoint at all\n")
    elif damage != "missing":
        torch.save(content, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    net = FlexResNet(18, width=0.25)
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(CheckpointError, match="weights.pth") as caught:
        load_weights(net, path)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert "never" not in capsys.readouterr().out


def test_part_of_the_weights_is_loaded_when_that_is_asked_for():
    state = FlexResNet(18, width=0.25).state_dict()
    state = {name: value for name, value in state.items() if not name.startswith("layer4")}
    net = FlexResNet(18, width=0.25)
    with pytest.raises(CheckpointError, match="allow_partial"):
        load_weights(net, state)
    report = load_weights(net, state, allow_partial=True)
    assert all(name.startswith("layer4") for name in report.missing)


def test_layers_that_no_classifier_has_may_be_missing():
    state = FlexResNet(50, width=0.25).state_dict()
    report = load_weights(FlexResNet(50, width=0.25, attention="SE"), state)
    assert report.missing and all(".se." in name for name in report.missing)


def test_init_cfg_takes_what_load_weights_takes():
    state = FlexResNet(18, width=0.25).state_dict()
    config = {"type": "Pretrained", "checkpoint": state, "adapt": ["in_channels"]}
    net = FlexResNet(18, width=0.25, in_channels=1, init_cfg=config)
    net.init_weights()
    assert torch.equal(net.conv1.weight, state["conv1.weight"].sum(1, keepdim=True))
    for wrong, message in (
        ({"checkpiont": "a.pth"}, "no key 'checkpiont'; did you mean 'checkpoint'"),
        ({}, "needs a checkpoint"),
    ):
        net = FlexResNet(18, width=0.25, init_cfg={"type": "Pretrained", **wrong})
        with pytest.raises(ValueError, match=message):
            net.init_weights()
