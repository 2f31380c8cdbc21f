"""Convolution, sum and ReLU by the one-pass kernel: what the three operations give."""

import pytest
import torch
from torch.nn import functional as F

from resblock_backbones.layers import one_pass
from resblock_backbones.layers.fold import Geometry
from resblock_backbones.layers.one_pass import conv_sum_relu, output_shape

GEOMETRIES = {
    "3x3": ((16, 8, 3, 3), Geometry((1, 1), (1, 1), (1, 1), 1)),
    "strided 1x1": ((16, 8, 1, 1), Geometry((2, 2), (0, 0), (1, 1), 1)),
    "dilated": ((16, 8, 3, 3), Geometry((1, 1), (2, 2), (2, 2), 1)),
    "grouped": ((16, 4, 3, 3), Geometry((1, 1), (1, 1), (1, 1), 2)),
    "depthwise": ((8, 1, 5, 5), Geometry((1, 1), (2, 2), (1, 1), 8)),
    "separable": ((16, 8, 3, 1), Geometry((1, 1), (1, 0), (1, 1), 1)),
}


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("shortcut", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("side", [9, 200])  # below and above what is worth a call of the kernel
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_convolution_the_sum_and_the_relu(name, shortcut, relu, side, layout):
    torch.manual_seed(0)
    shape, geometry = GEOMETRIES[name]
    x = torch.randn(2, 8, side, side).to(memory_format=layout)
    weight, bias = torch.randn(shape), torch.randn(shape[0])
    added = torch.randn(output_shape(x, weight, geometry)) if shortcut else None
    before = None if added is None else added.clone()
    out = conv_sum_relu(x, weight, bias, geometry, shortcut=added, relu=relu)

    expected = F.conv2d(x.double(), weight.double(), bias.double(), *geometry)
    expected = expected if added is None else expected + added
    expected = expected.relu() if relu else expected
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-4)
    if added is not None:
        assert torch.equal(added, before)  # the shortcut stays as it is


@pytest.mark.skipif(one_pass._KERNEL is None, reason="PyTorch without oneDNN")
def test_the_kernel_is_called_for_large_outputs_alone(monkeypatch):
    calls = []

    class Counting:
        def __call__(self, *arguments):
            calls.append(len(arguments))
            return kernel(*arguments)

    kernel = one_pass._KERNEL
    monkeypatch.setattr(one_pass, "_KERNEL", Counting())
    weight, geometry = torch.ones(16, 8, 1, 1), Geometry((1, 1), (0, 0), (1, 1), 1)
    for side, count in ((16, 0), (200, 1)):
        conv_sum_relu(torch.ones(1, 8, side, side), weight, None, geometry, relu=True)
        assert len(calls) == count
    conv_sum_relu(torch.ones(1, 8, 200, 200).double(), weight.double(), None, geometry, relu=True)
    assert len(calls) == 1  # it knows no float64


def test_a_wrong_size_is_refused_in_the_convolutions_own_words():
    weight, geometry = torch.ones(16, 8, 1, 1), Geometry((1, 1), (0, 0), (1, 1), 1)
    x = torch.ones(1, 7, 200, 200)
    with pytest.raises(RuntimeError) as ours:
        conv_sum_relu(x, weight, None, geometry, relu=True)
    with pytest.raises(RuntimeError) as theirs:
        F.conv2d(x, weight)
    assert str(ours.value) == str(theirs.value)
