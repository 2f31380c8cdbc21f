"""RoIAlign through mmcv.ops, against its definition, torchvision and finite differences."""

import math

import pytest
import torch
import torchvision
from literal_formulas import region_of_interest_align
from mmcv.ops import RoIAlign, roi_align

from resblock_backbones.openmmlab.ops.table import OPERATORS

# Image, then x1, y1, x2, y2 in pixels of the image; the map is 9 x 11 at half its size.
ROIS = [
    [0, 1.3, 2.2, 9.7, 14.1],
    [1, -6.0, -4.0, 8.0, 7.5],  # sticks out at the top left
    [1, 15.0, 12.0, 40.0, 33.0],  # sticks out at the bottom right
    [0, 50.0, 50.0, 70.0, 60.0],  # outside
    [1, 4.0, 4.0, 4.5, 4.2],  # smaller than a pixel
    [0, 0.0, 0.0, 22.0, 18.0],  # the whole image
]


def features(dtype: torch.dtype = torch.float64, channels: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, channels, 9, 11, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 1, 2, 3])
def test_it_follows_the_definition(mode, aligned, sampling_ratio):
    rois = torch.tensor(ROIS, dtype=torch.float64)
    for size in [(3, 2), (1, 1), (7, 7)]:
        if size == (7, 7) and sampling_ratio != 2:
            continue
        result = roi_align(features(), rois, size, 0.5, sampling_ratio, mode, aligned)
        expected = region_of_interest_align(
            features(), rois, size, 0.5, sampling_ratio, mode, aligned
        )
        torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("aligned", [True, False])
def test_average_mode_is_torchvision_forward_and_backward(dtype, aligned):
    rois = torch.tensor(ROIS, dtype=dtype)
    ours, theirs = (features(dtype).requires_grad_() for _ in range(2))
    result = roi_align(ours, rois, 5, 0.5, 0, "avg", aligned)
    expected = torchvision.ops.roi_align(theirs, rois, 5, 0.5, 0, aligned)
    torch.testing.assert_close(result, expected)
    weights = torch.randn_like(result)
    (result * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_gradients_are_those_of_finite_differences(mode, aligned, sampling_ratio):
    rois = torch.tensor(ROIS, dtype=torch.float64)
    torch.autograd.gradcheck(
        lambda maps: roi_align(maps, rois, (2, 3), 0.5, sampling_ratio, mode, aligned),
        features(channels=1).requires_grad_(),
        fast_mode=True,
    )


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_maximum_and_mean_of_one_point_are_the_same(mode):
    rois = torch.tensor(ROIS)
    one = roi_align(features(torch.float32), rois, 4, 0.5, 1, mode, True)
    expected = torchvision.ops.roi_align(features(torch.float32), rois, 4, 0.5, 1, True)
    torch.testing.assert_close(one, expected)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_rounded_float32_result(mode, dtype):
    rois = torch.tensor(ROIS)
    maps = features(dtype).requires_grad_()
    result = roi_align(maps, rois, 3, 0.5, 2, mode, True)
    expected = roi_align(maps.detach().float(), rois, 3, 0.5, 2, mode, True).to(dtype)
    assert torch.equal(result, expected)
    result.sum().backward()
    assert maps.grad.dtype == dtype


def test_channels_last_and_other_strides_give_the_same_numbers():
    rois = torch.tensor(ROIS)
    plain = features(torch.float32)
    for mode in ("avg", "max"):
        expected = roi_align(plain, rois, 3, 0.5, 2, mode, True)
        for maps in (
            plain.contiguous(memory_format=torch.channels_last),
            plain.transpose(2, 3).contiguous().transpose(2, 3),
        ):
            torch.testing.assert_close(roi_align(maps, rois, 3, 0.5, 2, mode, True), expected)
        transposed = torch.tensor(ROIS).t().contiguous().t()
        torch.testing.assert_close(roi_align(plain, transposed, 3, 0.5, 2, mode, True), expected)


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_no_boxes_give_an_empty_output_and_a_zero_gradient(mode):
    maps = features(torch.float32).requires_grad_()
    result = roi_align(maps, torch.zeros(0, 5), 7, 1.0, 0, mode, True)
    assert result.shape == (0, 2, 7, 7)
    result.sum().backward()
    assert not maps.grad.any()


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_a_box_without_extent_or_inverted_reads_nothing(mode):
    boxes = [[4.0, 4, 4, 4], [6, 6, 2, 2], [6, 2, 2, 6], [2, 6, 6, 2], [6, 3, 2, 3], [math.nan] * 4]
    rois = torch.tensor([[0, *box] for box in boxes])
    maps = features(torch.float32).requires_grad_()
    result = roi_align(maps, rois, 2, 1.0, 0, mode, True)
    assert not result.any()
    result.sum().backward()
    assert not maps.grad.any()


def test_autocast_keeps_the_numbers_and_the_dtype():
    rois = torch.tensor(ROIS)
    layer = RoIAlign(3, 0.5, 2)
    expected = layer(features(torch.float32), rois)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = layer(features(torch.float32), rois)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected)


def test_an_output_that_is_a_part_of_something_is_written_into_it():
    """MMCV makes its outputs afresh, and memory changes hands; but no caller has to."""
    rois = torch.tensor(ROIS)
    expected = roi_align(features(torch.float32), rois, 3, 0.5, 2, "avg", True)
    whole = torch.zeros(2, *expected.shape)
    nothing = torch.zeros(0)
    for output in (whole[1], whole[0]):
        arguments = (features(torch.float32), rois, output, nothing, nothing, 3, 3, 0.5, 2, 1, True)
        OPERATORS["roi_align_forward"](*arguments)
    assert torch.equal(whole, torch.stack([expected, expected]))
