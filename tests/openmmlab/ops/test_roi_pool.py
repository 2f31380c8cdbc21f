"""RoIPool through mmcv.ops, against its definition, torchvision and finite differences."""

import pytest
import torch
import torchvision
from literal_pooling import region_of_interest_pool
from mmcv.ops import RoIPool, roi_pool

from resblock_backbones.openmmlab.ops.regions import roi_pool as module

# Image, then x1, y1, x2, y2 in pixels of the image; the map is 9 x 11 at half its size.
ROIS = [
    [0, 1.4, 2.3, 9.7, 14.1],
    [1, -6.0, -4.0, 8.0, 7.5],  # sticks out at the top left
    [1, 15.0, 12.0, 40.0, 33.0],  # sticks out at the bottom right
    [0, 50.0, 50.0, 70.0, 60.0],  # outside
    [1, 4.0, 4.0, 4.5, 4.2],  # smaller than a pixel
    [0, 0.0, 0.0, 21.0, 17.0],  # the whole image
    [0, 9.0, 9.0, 5.0, 5.0],  # turned inside out
]


def features(dtype: torch.dtype = torch.float64, channels: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, channels, 9, 11, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(3, 2), (1, 1), (7, 7)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 0.25])
def test_it_follows_the_definition(dtype, size, scale):
    rois = torch.tensor(ROIS, dtype=dtype)
    expected = region_of_interest_pool(features(dtype), rois, size, scale)
    assert torch.equal(roi_pool(features(dtype), rois, size, scale), expected)


def test_it_is_torchvision_where_no_rounding_is_needed():
    """Boxes on whole pixels, and bins of whole pixels: MMCV's and torchvision's are the same."""
    rois = torch.tensor([[0, 2, 1, 7, 6], [1, 0, 0, 11, 8], [1, 3, 0, 5, 2]]).double()
    ours, theirs = (features().requires_grad_() for _ in range(2))
    result = roi_pool(ours, rois, 3, 1.0)
    expected = torchvision.ops.roi_pool(theirs, rois, 3, 1.0)
    assert torch.equal(result, expected)
    shade = torch.randn_like(result)
    (result * shade).sum().backward()
    (expected * shade).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_bins_begin_and_end_where_the_box_does_not_at_the_nearest_pixels():
    ramp = torch.arange(9.0).view(1, 1, 1, 9)
    # From 1.5 to 4.5 of the map: bins from 1.5 to 3 and from 3 to 4.5 touch pixels 1-2 and 3-4.
    rois = torch.tensor([[0, 1.5, 0, 3.5, 0]])
    assert roi_pool(ramp, rois, (1, 2), 1.0).flatten().tolist() == [2, 4]
    # Halves go up and down alike: 0.5 to 2.5 touches 0-2.
    assert roi_pool(ramp, torch.tensor([[0, 0.5, 0, 1.5, 0]]), (1, 1), 1.0).item() == 2


def test_gradients_are_those_of_finite_differences():
    rois = torch.tensor(ROIS, dtype=torch.float64)
    torch.autograd.gradcheck(
        lambda maps: roi_pool(maps, rois, (2, 3), 0.5), features(channels=1).requires_grad_()
    )


def test_of_equal_pixels_the_first_gets_the_gradient():
    maps = torch.zeros(1, 1, 3, 3, requires_grad=True)
    roi_pool(maps, torch.tensor([[0, 0.0, 0, 2, 2]]), 1, 1.0).sum().backward()
    assert maps.grad.flatten().nonzero().flatten().tolist() == [0]


def test_a_bin_without_pixels_is_zero_and_has_no_gradient():
    maps = features(torch.float32).requires_grad_()
    rois = torch.tensor([ROIS[3], ROIS[6]])
    result = roi_pool(maps, rois, 3, 0.5)
    assert not result.any()
    result.sum().backward()
    assert not maps.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_picks_the_same_pixels(dtype):
    rois = torch.tensor(ROIS, dtype=dtype)
    maps = features(dtype).requires_grad_()
    result = roi_pool(maps, rois, 3, 0.5)
    assert result.dtype == dtype
    assert torch.equal(result, roi_pool(maps.detach().float(), rois.float(), 3, 0.5).to(dtype))
    result.sum().backward()
    assert maps.grad.dtype == dtype


def test_channels_last_gives_the_same_numbers():
    rois = torch.tensor(ROIS)
    maps = features(torch.float32)
    last = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
    result = RoIPool(3, 0.5)(last, rois)
    assert torch.equal(result, RoIPool(3, 0.5)(maps, rois))
    result.sum().backward()


def test_results_do_not_depend_on_how_many_boxes_are_pooled_together(monkeypatch):
    rois = torch.tensor(ROIS)
    expected = roi_pool(features(torch.float32), rois, 3, 0.5)
    monkeypatch.setattr(module, "PIXELS_AT_ONCE", 200)
    assert torch.equal(roi_pool(features(torch.float32), rois, 3, 0.5), expected)


def test_no_boxes_give_an_empty_output_and_a_zero_gradient():
    maps = features(torch.float32).requires_grad_()
    result = roi_pool(maps, torch.zeros(0, 5), 7, 1.0)
    assert result.shape == (0, 2, 7, 7)
    result.sum().backward()
    assert not maps.grad.any()
