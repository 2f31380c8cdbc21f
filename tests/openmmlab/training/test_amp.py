"""Mixed precision on a GPU: convolutional models train in channels last."""

import pytest
import torch
from torch import nn

from resblock_backbones import FlexResNet
from resblock_backbones.layers import processor
from resblock_backbones.openmmlab.training.amp import convert_to_channels_last

LAST = torch.channels_last
AMP = {"type": "AmpOptimWrapper"}


@pytest.fixture(params=[(7, 0)])
def gpu(request, monkeypatch):
    """A device that says it is a GPU of this capability."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: request.param)
    monkeypatch.setattr(torch.version, "hip", None)
    processor.gpu_capability.cache_clear()
    yield torch.device("cuda")
    processor.gpu_capability.cache_clear()


def detector():
    """A backbone and a neck."""
    return nn.Sequential(FlexResNet(18, width=0.125, out_indices=(3,)), nn.Conv2d(64, 8, 3))


def formats(model):
    kernels = [one.weight for one in model.modules() if isinstance(one, nn.Conv2d)]
    return {weight.is_contiguous(memory_format=LAST) for weight in kernels if weight.shape[2] > 1}


def test_the_whole_model_is_channels_last_and_computes_the_same(gpu):
    model, x = detector().eval(), torch.randn(1, 3, 160, 160)
    expected = model[1](model[0](x)[0])
    assert len(convert_to_channels_last(model, AMP, gpu)) == 1
    assert formats(model) == {True} and model[0].channels_last is True
    maps = model[0](x)[0]
    assert not maps.is_contiguous()
    torch.testing.assert_close(model[1](maps), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gpu", [(6, 1)], indirect=True)
def test_a_gpu_without_tensor_cores_keeps_contiguous_maps(gpu):
    model = detector()
    assert convert_to_channels_last(model, AMP, gpu) == [] and formats(model) == {False}


def test_in_float32_on_the_cpu_and_with_attention_nothing_changes(gpu):
    model = detector()
    assert convert_to_channels_last(model, {"type": "OptimWrapper"}, gpu) == []
    assert convert_to_channels_last(model, AMP, torch.device("cpu")) == []
    model.append(nn.MultiheadAttention(8, 2))
    assert convert_to_channels_last(model, AMP, gpu) == []
    assert formats(model) == {False} and model[0].channels_last == "auto"
