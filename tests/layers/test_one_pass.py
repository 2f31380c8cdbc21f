"""Convolution, sum and ReLU by the one-pass kernel: what the three operations give."""

import pytest
import torch
from torch.nn import functional as F

from resblock_backbones.layers.folding import one_pass
from resblock_backbones.layers.folding.fold import Geometry
from resblock_backbones.layers.folding.one_pass import conv_sum_relu, output_shape
from resblock_backbones.layers.folding.packed_weight import PackedWeight

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


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("shortcut", [False, True])
@pytest.mark.parametrize("side", [9, 100])
def test_a_packed_weight_gives_the_same(name, shortcut, side):
    torch.manual_seed(0)
    shape, geometry = GEOMETRIES[name]
    weight, bias, packed = torch.randn(shape), torch.randn(shape[0]), PackedWeight()
    for batch in (1, 2):  # packed for one size, used for others too
        x = torch.randn(batch, 8, side, side).to(memory_format=torch.channels_last)
        added = torch.randn(output_shape(x, weight, geometry)) if shortcut else None
        plain = conv_sum_relu(x, weight, bias, geometry, shortcut=added)
        out = conv_sum_relu(x, weight, bias, geometry, shortcut=added, packed=packed)
        torch.testing.assert_close(out, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(one_pass._KERNEL is None, reason="PyTorch without oneDNN")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_result_may_take_the_shortcuts_place(layout):
    torch.manual_seed(0)
    shape, geometry = GEOMETRIES["3x3"]
    x, weight = torch.randn(2, 8, 100, 100).to(memory_format=layout), torch.randn(shape)
    shortcut = torch.randn(2, 16, 100, 100).to(memory_format=layout)
    expected = conv_sum_relu(x, weight, None, geometry, shortcut=shortcut, relu=True)
    out = conv_sum_relu(x, weight, None, geometry, shortcut=shortcut, relu=True, overwrite=True)
    assert out.data_ptr() == shortcut.data_ptr()
    assert torch.equal(out, expected)


def test_the_result_does_not_take_the_inputs_place():
    torch.manual_seed(0)
    weight, geometry = torch.randn(8, 8, 3, 3), Geometry((1, 1), (1, 1), (1, 1), 1)
    x = torch.randn(2, 8, 100, 100).to(memory_format=torch.channels_last)
    before = x.clone()
    expected = F.conv2d(x, weight, None, *geometry) + x
    out = conv_sum_relu(x, weight, None, geometry, shortcut=x, overwrite=True)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(x, before)


def test_a_changed_weight_is_packed_anew():
    torch.manual_seed(0)
    shape, geometry = GEOMETRIES["3x3"]
    x, weight, packed = torch.randn(1, 8, 100, 100), torch.randn(shape), PackedWeight()
    for change in (lambda: None, lambda: weight.mul_(2), lambda: weight.copy_(torch.ones(shape))):
        change()
        out = conv_sum_relu(x, weight, None, geometry, relu=True, packed=packed)
        expected = F.conv2d(x, weight, None, *geometry).relu()
        torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)
    assert packed.of(weight, x, geometry) is packed.of(weight, x, geometry)


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
