"""Masked convolution through mmcv.ops, against an ordinary one."""

import pytest
import torch
from mmcv.ops import MaskedConv2d, masked_conv2d

from resblock_backbones.openmmlab.ops.table import OPERATORS

pytestmark = pytest.mark.filterwarnings("ignore:This overload of addmm")


def tensors(kernel=(3, 3), dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    features, weight, bias = (
        torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
        for shape in ((1, 3, 6, 7), (4, 3, *kernel), (4,))
    )
    mask = torch.rand(1, 6, 7, generator=generator) > 0.6
    return features, mask.to(dtype), weight, bias


@pytest.mark.parametrize(("kernel", "padding"), [((3, 3), (1, 1)), ((1, 5), (0, 2)), ((1, 1), 0)])
def test_it_is_an_ordinary_convolution_at_the_masked_pixels_and_zero_elsewhere(kernel, padding):
    features, mask, weight, bias = tensors(kernel)
    result = masked_conv2d(features, mask, weight, bias, padding)
    expected = torch.conv2d(features, weight, bias, padding=padding) * mask
    torch.testing.assert_close(result, expected)


def test_without_padding_pixels_are_counted_in_the_smaller_output():
    features, mask, weight, bias = tensors()
    mask[:, 4:] = mask[:, :, 5:] = 0
    result = masked_conv2d(features, mask, weight, bias, 0)
    expected = torch.conv2d(features, weight, bias) * mask[:, :4, :5]
    torch.testing.assert_close(result, expected)


def test_an_empty_mask_gives_zeros_and_a_full_one_the_whole_convolution():
    features, mask, weight, bias = tensors()
    assert not masked_conv2d(features, mask * 0, weight, bias, 1).any()
    expected = torch.conv2d(features, weight, bias, padding=1)
    torch.testing.assert_close(masked_conv2d(features, mask * 0 + 1, weight, bias, 1), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_other_dtypes_keep_their_dtype(dtype):
    features, mask, weight, bias = tensors(dtype=dtype)
    result = masked_conv2d(features, mask, weight, bias, 1)
    assert result.dtype == dtype
    expected = torch.conv2d(features.double(), weight.double(), bias.double(), padding=1) * mask
    tolerance = {torch.float16: 2e-2, torch.bfloat16: 2e-1, torch.float32: 1e-4}[dtype]
    torch.testing.assert_close(result.double(), expected, rtol=tolerance, atol=tolerance)


def test_the_layer_runs_under_autocast_and_on_channels_last():
    torch.manual_seed(0)
    features, mask, _, _ = tensors(dtype=torch.float32)
    layer = MaskedConv2d(3, 4, 3, padding=1).eval()
    expected = layer(features, mask)
    last = features.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(layer(last, mask), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = layer(features, mask)
    torch.testing.assert_close(result, expected, rtol=0.02, atol=0.05, check_dtype=False)


def test_no_masked_pixels_have_no_patches():
    """MMCV does not ask then; called directly."""
    features, _, _, _ = tensors()
    nowhere = torch.zeros(0, dtype=torch.long)
    patches, output = torch.zeros(27, 0).double(), torch.zeros(1, 4, 6, 7).double()
    OPERATORS["masked_im2col_forward"](features, nowhere, nowhere, patches, 3, 3, 1, 1)
    OPERATORS["masked_col2im_forward"](patches[:4], nowhere, nowhere, output, 6, 7, 4)
    assert not output.any()
