"""Rotated RoIAlign through mmcv.ops, against its definition, RoIAlign and finite differences."""

import math

import pytest
import torch
import torchvision
from literal_rotated import rotated_region_align
from mmcv.ops import RiRoIAlignRotated, RoIAlignRotated, riroi_align_rotated, roi_align_rotated

from resblock_backbones.openmmlab.ops import bin_points

# Image, then centre x, centre y, width, height in pixels of it, angle; the map has half its size.
ROIS = [
    [0, 8.0, 9.0, 7.5, 12.0, 0.4],
    [1, 2.0, 1.0, 9.0, 5.0, -1.1],  # sticks out
    [1, 21.0, 17.0, 30.0, 14.0, 2.9],  # sticks out at the other end
    [0, 60.0, 55.0, 10.0, 5.0, 0.3],  # outside
    [1, 4.0, 4.0, 0.5, 0.2, 1.0],  # smaller than a pixel
    [0, 11.1, 9.2, 22.0, 18.0, math.pi / 2],
]
#: The four numbers of one region of a 2 x 2 map, and the gradient of their sum, as MMCV gives them.
SMALL = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])


def features(dtype: torch.dtype = torch.float64, channels: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, channels, 9, 11, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("clockwise", [True, False])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 1, 2])
def test_it_follows_the_definition(aligned, clockwise, sampling_ratio):
    rois = torch.tensor(ROIS, dtype=torch.float64)
    for size in [(3, 2), (1, 1)]:
        arguments = (size, 0.5, sampling_ratio, aligned, clockwise)
        result = roi_align_rotated(features(), rois, *arguments)
        expected = rotated_region_align(features(), rois, *arguments)
        torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_half_turns_of_a_box_are_roi_align_turned(turns):
    centre, size = torch.tensor([[7.0, 8.0], [10, 5]]), torch.tensor([[6.0, 9.0], [12, 4]])
    image = torch.tensor([[0.0], [1.0]])
    boxes = torch.cat([image, centre - size / 2, centre + size / 2], 1).double()
    angle = torch.full((2, 1), turns * math.pi, dtype=torch.float64)
    rois = torch.cat([image, centre, size, angle], 1).double()
    expected = torchvision.ops.roi_align(features(), boxes, (3, 4), 0.5, 2, True)
    result = roi_align_rotated(features(), rois, (3, 4), 0.5, 2, True)
    torch.testing.assert_close(result, expected.rot90(2 * turns, (2, 3)))


@pytest.mark.parametrize(
    ("angle", "expected"),
    [(0, [[1.0, 1.25], [1.5, 1.75]]), (math.pi / 2, [[1.5, 1.0], [1.75, 1.25]])],
)
def test_numbers_that_compiled_mmcv_gives(angle, expected):
    maps = SMALL.clone().requires_grad_()
    roi = torch.tensor([[0.0, 0.5, 0.5, 1.0, 1.0, angle]])
    result = RoIAlignRotated((2, 2), 1.0, 2)(maps, roi)
    torch.testing.assert_close(result[0, 0], torch.tensor(expected))
    result.sum().backward()
    expected_gradient = torch.tensor([[3.0625, 0.4375], [0.4375, 0.0625]])
    torch.testing.assert_close(maps.grad[0, 0], expected_gradient)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_gradients_are_those_of_finite_differences(aligned, sampling_ratio):
    rois = torch.tensor(ROIS, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda maps: roi_align_rotated(maps, rois, (2, 3), 0.5, sampling_ratio, aligned),
        features(channels=1).requires_grad_(),
        fast_mode=True,
    )


@pytest.mark.parametrize("clockwise", [True, False])
def test_orientations_are_turned_by_the_angle_of_the_box(clockwise):
    maps, rois = features(channels=8), torch.tensor(ROIS, dtype=torch.float64)
    result = riroi_align_rotated(maps, rois, (2, 3), 0.5, 2, 4, clockwise)
    plain = rotated_region_align(maps, rois, (2, 3), 0.5, 2, False, clockwise)
    for r, angle in enumerate(rois[:, 5].tolist()):
        steps = angle * 4 / (2 * math.pi)
        part = steps - math.floor(steps)
        for channel in range(8):
            first, orientation = channel // 4 * 4, channel % 4 - math.floor(steps)
            low, high = (plain[r, first + (orientation + k) % 4] for k in (0, 1))
            expected = (1 - part) * low + part * high
            torch.testing.assert_close(result[r, channel], expected, rtol=1e-9, atol=1e-12)


def test_numbers_that_compiled_mmcv_gives_for_orientations():
    maps = torch.tensor(
        [[[1, 2], [3, 4]], [[1, 2], [4, 3]], [[4, 3], [2, 1]], [[1, 2], [5, 6]],
         [[3, 4], [7, 8]], [[9, 10], [13, 14]], [[11, 12], [15, 16]], [[1, 1], [2, 2]]]
    ).float()[None].requires_grad_()  # fmt: skip
    rois = torch.tensor([[0.0, 0.5, 0.5, 1, 1, math.pi / 3], [0, 1, 1, 3, 3, math.pi / 2]])
    result = RiRoIAlignRotated((2, 2), 1.0, 2, 8)(maps, rois)
    expected = torch.tensor([[1.8425, 1.3516], [2.3151, 1.8241]])
    torch.testing.assert_close(result[0, 0], expected, atol=1e-4, rtol=0)
    expected = torch.tensor([[6.6562, 10.5625], [3.5, 5.625]])
    torch.testing.assert_close(result[1, 7], expected, atol=1e-4, rtol=0)
    result.sum().backward()
    expected = torch.tensor([[1.4727, 1.5586], [1.5586, 1.6602]]).expand(8, 2, 2)
    torch.testing.assert_close(maps.grad[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_gradients_of_orientations_are_those_of_finite_differences(sampling_ratio):
    rois = torch.tensor(ROIS, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda maps: riroi_align_rotated(maps, rois, (2, 2), 0.5, sampling_ratio, 4),
        features(channels=8).requires_grad_(),
        fast_mode=True,
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_rounded_float32_result(dtype):
    rois = torch.tensor(ROIS)
    result = roi_align_rotated(features(dtype), rois, 3, 0.5, 2)
    assert torch.equal(
        result, roi_align_rotated(features(dtype).float(), rois, 3, 0.5, 2).to(dtype)
    )


def test_results_do_not_depend_on_how_many_points_are_read_together(monkeypatch):
    rois = torch.tensor(ROIS, dtype=torch.float64)

    def run():
        maps = features().requires_grad_()
        result = roi_align_rotated(maps, rois, 3, 0.5, 0)
        result.square().sum().backward()
        return result.detach(), maps.grad

    whole = run()
    monkeypatch.setattr(bin_points, "POINTS_AT_ONCE", 3)
    for result, expected in zip(run(), whole, strict=True):
        torch.testing.assert_close(result, expected)


def test_no_boxes_and_boxes_without_extent_read_nothing():
    maps = features().requires_grad_()
    assert roi_align_rotated(maps, torch.zeros(0, 6).double(), 7, 1.0, 0).shape == (0, 2, 7, 7)
    flat = torch.tensor([[0, 4.0, 4, 0, 3, 0.2], [0, 4, 4, -2, 3, 0]], dtype=torch.float64)
    result = roi_align_rotated(maps, flat, 2, 1.0, 0)
    assert not result.any()
    result.sum().backward()
    assert not maps.grad.any()
