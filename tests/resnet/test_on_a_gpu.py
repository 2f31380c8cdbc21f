"""Networks on a pretended GPU: nothing is made on the CPU, and the numbers are the CPU's."""

import copy

import pytest
import torch
from pretended_gpu import OnGPU, pretended_gpu, values_of
from torch import nn

from resblock_backbones import FlexResNet, fuse
from resblock_backbones.resnet import memory_format
from resblock_backbones.resnet.memory_format import starts_channels_last

pytestmark = [
    pytest.mark.usefixtures("fold_always"),
    pytest.mark.filterwarnings("ignore:FlexResNet trains with random values"),
]

#: Together every layer and every path of the forward pass.
OPTIONS = {
    "frozen norms": {"frozen_stages": 1},
    "recomputed": {"recompute": "light", "block": "bottleneck"},
    "batch statistics": {"norm_eval": False, "recompute": "light"},
    "checkpointing": {"with_cp": True, "norm_eval": False},
    "channels last": {"channels_last": True, "avg_down": True, "deep_stem": True},
    "squeezed, blurred": {"attention": "SE", "anti_alias": "blur", "stem_pool": "conv"},
    "attentive, averaged": {"attention": "ECA", "anti_alias": "average", "stem_pool": "average"},
    "separable": {"spatial_separable": True, "act_cfg": "GELU", "norm_cfg": "FrozenBN"},
    "depthwise": {"depthwise": True, "norm_cfg": {"type": "GN", "num_groups": 2}},
    "pooled": {"pool_on_residual_downsample": "maxpool", "drop_path_rate": 0.2},
    "dilated": {"output_stride": 8, "contract_dilation": True, "style": "caffe"},
}


def network(**options):
    torch.manual_seed(0)
    given = {"num_stages": 3, "stage_blocks": (1, 1, 2), "out_indices": (0, 2), "block": "basic"}
    return FlexResNet(base_channels=8, zero_init_residual=False, **{**given, **options}).double()


def step(net, x):
    """Outputs, gradients and buffers of a training step."""
    torch.manual_seed(0)
    outputs = net(x)
    sum(out.square().mean() for out in outputs).backward()
    grads = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    return [*outputs, *grads, *net.buffers()]


def test_what_is_made_on_the_cpu_is_found():
    with pretended_gpu() as gpu:
        x = torch.ones(3, device=gpu)
        assert (x + torch.ones_like(x))[x > 0].tolist() == [2, 2, 2]
        with pytest.raises(RuntimeError, match="are on the CPU, others on the GPU"):
            x + torch.ones(3)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_step_makes_no_tensor_on_the_cpu_and_gives_its_numbers(name):
    net, x = network(**OPTIONS[name]), torch.randn(2, 3, 33, 40, dtype=torch.float64)
    expected = step(copy.deepcopy(net).train(), x)
    with pretended_gpu() as gpu:
        found = step(net.to(gpu).train(), x.to(gpu))
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, OnGPU)
        torch.testing.assert_close(values_of(one.detach()), other.detach(), rtol=1e-9, atol=1e-9)


def layouts_inside(net, x):
    """How the maps lie that go into the stages, and what comes out."""
    seen = []
    handles = [
        stage[0].register_forward_pre_hook(
            lambda module, given: seen.append("first" if given[0].is_contiguous() else "last")
        )
        for stage in net.stages
    ]
    outputs = net(x)
    for handle in handles:
        handle.remove()
    return set(seen), outputs


@pytest.mark.parametrize(
    ("capability", "dtype", "inside"),
    [
        ((6, 1), torch.float16, "first"),
        ((7, 0), torch.float16, "last"),
        ((9, 0), torch.float16, "last"),
        ((7, 5), torch.bfloat16, "last"),
        ((9, 0), torch.bfloat16, "last"),
        ((9, 0), torch.float32, "first"),
        ((9, 0), torch.float64, "first"),
    ],
)
@pytest.mark.parametrize("learns", [False, True])
def test_half_precision_on_tensor_cores_is_channels_last_inside(capability, dtype, inside, learns):
    with pretended_gpu(capability) as gpu, torch.set_grad_enabled(learns):
        net = network().to(dtype).to(gpu)
        found, outputs = layouts_inside(net, torch.randn(1, 3, 64, 64, dtype=dtype, device=gpu))
    assert found == {inside}
    assert all(out.is_contiguous() and out.dtype == dtype for out in outputs)


@pytest.mark.parametrize("cast", [torch.float16, torch.bfloat16])
def test_so_is_mixed_precision(cast, monkeypatch):
    with pretended_gpu() as gpu:
        net = network().float().to(gpu)
        x = torch.randn(1, 3, 64, 64, device=gpu)
        assert not starts_channels_last(x, net)
        monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: device == "cuda")
        monkeypatch.setattr(torch, "get_autocast_dtype", lambda device: cast)
        assert starts_channels_last(x, net)


@pytest.mark.parametrize(
    ("capability", "dtype", "expected"),
    [
        ((7, 5), torch.float32, torch.float32),
        ((8, 0), torch.float32, torch.bfloat16),
        ((9, 0), torch.float64, torch.float64),
        ((9, 0), torch.float16, torch.float16),
    ],
)
def test_fuse_computes_in_the_type_that_the_gpu_is_fast_in(capability, dtype, expected):
    net = network().eval()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        plain = net(x)
        with pretended_gpu(capability) as gpu:
            fused = fuse(net.to(dtype).to(gpu), dtype="auto")
            outputs = fused(x.to(gpu, dtype))
    assert {parameter.dtype for parameter in fused.parameters()} == {expected}
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
    for out, other in zip(outputs, plain, strict=True):
        assert isinstance(out, OnGPU) and out.dtype == dtype
        difference = (values_of(out).double() - other).norm() / other.norm()
        assert difference < (0.02 if expected.itemsize == 2 else 1e-5)


def test_no_kernel_of_the_cpu_is_chosen(monkeypatch):
    def refuse(*_):
        raise AssertionError("a kernel of the CPU")

    monkeypatch.setattr(memory_format, "_is_faster", refuse)
    monkeypatch.setattr(torch.ops.mkldnn, "_convolution_pointwise", refuse)
    with pretended_gpu() as gpu, torch.no_grad():
        fuse(network().float().to(gpu))(torch.randn(1, 3, 128, 128, device=gpu))
