"""What is frozen stays so, whoever switches the mode; stages behind the outputs do not run."""

import copy
import datetime
import pickle
import socket
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection.backbone_utils import BackboneWithFPN, _resnet_fpn_extractor
from torchvision.models.resnet import resnet18

from resblock_backbones import FlexResNet

LAYERS = {"layer1": "0", "layer4": "1"}


def tiny(**options):
    return FlexResNet(18, base_channels=8, **options)


def in_training(model):
    return {name for name, module in model.named_modules() if module.training}


def norms(model):
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


WRAPPERS = {
    "IntermediateLayerGetter": lambda net: IntermediateLayerGetter(net, LAYERS),
    "BackboneWithFPN": lambda net: BackboneWithFPN(net, LAYERS, [8, 64], 8),
    "children in a list": lambda net: nn.ModuleList(net.children()),
    "a copy": lambda net: nn.ModuleList(copy.deepcopy(net).children()),
    "a pickle": lambda net: nn.ModuleList(pickle.loads(pickle.dumps(net)).children()),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_batch_statistics_stay_frozen_when_a_wrapper_trains_the_parts(wrap):
    assert not any(norm.training for norm in norms(wrap(tiny()).train()))


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_frozen_stages_stay_in_eval_mode_and_the_others_do_not(wrap):
    net = tiny(frozen_stages=2, norm_eval=False, drop_path_rate=0.2, deep_stem=True)
    expected = [module.training for module in net.modules() if not list(module.children())]
    wrapped = wrap(net).eval().train()
    leaves = [module for module in wrapped.modules() if not list(module.children())]
    found = [leaf.training for leaf in leaves if "fpn" not in type(leaf).__module__]
    assert found[: len(expected)] == expected or found[-len(expected) :] == expected
    assert {True, False} == set(expected)


def test_a_frozen_block_keeps_its_statistics_in_a_wrapper():
    net = tiny(frozen_stages=1, norm_eval=False)
    wrapped = IntermediateLayerGetter(net, LAYERS).train()
    before = copy.deepcopy(net.state_dict())
    wrapped(torch.randn(4, 3, 32, 32))
    after = net.state_dict()
    changed = [name for name, one in after.items() if not torch.equal(one, before[name])]
    assert {name.split(".")[0] for name in changed} == {"layer2", "layer3", "layer4"}


def test_switching_an_option_off_gives_the_mode_back():
    net = tiny(frozen_stages=1)
    net.frozen_stages, net.norm_eval = -1, False
    assert len(in_training(net.train())) == len(list(net.modules()))
    assert not in_training(net.eval())


def test_each_module_trained_by_itself_stays_frozen_too():
    net = tiny(frozen_stages=1)
    for module in net.modules():
        module.train()
    assert not any(norm.training for norm in norms(net))


def test_torchvisions_extractor_takes_it_as_its_own_resnet():
    ours, theirs = _resnet_fpn_extractor(tiny(), 3), _resnet_fpn_extractor(resnet18(), 3)
    assert [p.requires_grad for p in ours.parameters()] == [
        p.requires_grad for p in theirs.parameters()
    ]
    maps = ours(torch.randn(1, 3, 64, 64))
    assert {name: tuple(one.shape[2:]) for name, one in maps.items()} == {
        name: tuple(one.shape[2:]) for name, one in theirs(torch.randn(1, 3, 64, 64)).items()
    }


def test_stages_behind_the_last_output_are_built_but_neither_run_nor_learn():
    whole, part = tiny().eval(), tiny(out_indices=(0, 1)).eval()
    assert part.load_state_dict(whole.state_dict()).unexpected_keys == []
    ran = []
    for name, module in part.named_modules():
        module.register_forward_hook(lambda module, args, output, name=name: ran.append(name))
    x = torch.randn(1, 3, 64, 64)
    for ours, expected in zip(part(x), whole(x), strict=False):
        torch.testing.assert_close(ours, expected)
    assert "layer2" in ran
    assert not [name for name in ran if name.startswith(("layer3", "layer4"))]
    learning = {name.split(".")[0] for name, p in part.named_parameters() if p.requires_grad}
    assert learning == {"conv1", "bn1", "layer1", "layer2"}


def test_indices_from_the_end_are_those_from_the_start():
    assert tiny(out_indices=(0, -1)).plan == tiny(out_indices=(0, 3)).plan
    part = tiny(out_indices=(-3,))
    assert part.out_indices == (1,) and not part.layer3[0].conv1.weight.requires_grad


@pytest.fixture
def alone():
    """A process group of one process."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def two_steps(net):
    model = DistributedDataParallel(net)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1)
    for _ in range(2):  # the second one would complain of parameters without a gradient
        optimizer.zero_grad()
        sum(one.square().mean() for one in model(torch.randn(2, 3, 32, 32))).backward()
        optimizer.step()


def test_data_parallel_training_needs_no_search_for_unused_parameters(alone):
    two_steps(tiny(out_indices=(0, 1), norm_eval=False))


def test_data_parallel_training_complains_where_a_stage_does_not_run(alone):
    net = tiny(out_indices=(0, 1))
    net.layer4.requires_grad_(True)
    with pytest.raises(RuntimeError, match="find_unused_parameters"):
        two_steps(net)


def work(rank: int, port: int) -> None:
    dist.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        rank=rank,
        world_size=2,
        timeout=datetime.timedelta(seconds=100),
    )
    torch.manual_seed(rank)
    net = tiny(out_indices=(0, 1), norm_eval=False)
    two_steps(net)
    sums = [torch.zeros(1) for _ in range(2)]
    dist.all_gather(sums, sum(p.detach().abs().sum() for p in net.parameters()).reshape(1))
    assert torch.equal(*sums), sums
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    processes = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(port)]) for rank in range(2)
    ]
    assert [process.wait(150) for process in processes] == [0, 0]


if __name__ == "__main__":
    work(int(sys.argv[1]), int(sys.argv[2]))
