"""Deformable RoIPool through mmcv.ops, against its definition and finite differences."""

import pytest
import torch
import torchvision
from literal_pooling import deformable_region_of_interest_pool
from mmcv.ops import DeformRoIPoolPack, ModulatedDeformRoIPoolPack, deform_roi_pool

from resblock_backbones.openmmlab.ops import bin_points as module

# Image, then x1, y1, x2, y2 in pixels of the image; the map is 9 x 11 at half its size.
ROIS = [
    [0, 1.3, 2.2, 9.7, 14.1],
    [1, -6.0, -4.0, 8.0, 7.5],  # sticks out at the top left
    [1, 15.0, 12.0, 40.0, 33.0],  # sticks out at the bottom right
    [0, 50.0, 50.0, 70.0, 60.0],  # outside
    [1, 4.0, 4.0, 4.5, 4.2],  # smaller than a pixel
    [0, 0.0, 0.0, 22.0, 18.0],  # the whole image
]
INNER = [[0, 5.3, 5.2, 12.7, 11.1], [1, 7.0, 4.5, 16.1, 9.5]]


def features(dtype: torch.dtype = torch.float64, channels: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, channels, 9, 11, generator=generator, dtype=torch.float64).to(dtype)


def offsets(count: int, size: tuple[int, int], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 2, *size, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("with_offset", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 1, 3])
@pytest.mark.parametrize("gamma", [0.1, 0.7])
def test_it_follows_the_definition(with_offset, sampling_ratio, gamma):
    rois = torch.tensor(ROIS, dtype=torch.float64)
    offset = offsets(len(ROIS), (3, 2)) if with_offset else None
    options = ((3, 2), 0.5, sampling_ratio, gamma)
    expected = deformable_region_of_interest_pool(features(), rois, offset, *options)
    result = deform_roi_pool(features(), rois, offset, *options)
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_without_offsets_it_is_torchvisions_roi_align(sampling_ratio):
    rois = torch.tensor(ROIS, dtype=torch.float64)
    ours, theirs = (features().requires_grad_() for _ in range(2))
    result = deform_roi_pool(ours, rois, None, (4, 3), 0.5, sampling_ratio)
    expected = torchvision.ops.roi_align(theirs, rois, (4, 3), 0.5, sampling_ratio, True)
    torch.testing.assert_close(result, expected)
    shade = torch.randn_like(result)
    (result * shade).sum().backward()
    (expected * shade).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_gradients_are_those_of_finite_differences(sampling_ratio):
    for rois, with_offset in ((ROIS, False), (INNER, True)):
        boxes = torch.tensor(rois, dtype=torch.float64)
        leaves = [features(channels=1).requires_grad_()]
        if with_offset:
            leaves.append(offsets(len(boxes), (2, 3)).requires_grad_())

        def pool(maps, offset=None, boxes=boxes):
            return deform_roi_pool(maps, boxes, offset, (2, 3), 0.5, sampling_ratio, 0.1)

        torch.autograd.gradcheck(pool, leaves)


def test_between_border_and_frame_offsets_have_the_gradient_that_mmcv_gives_them():
    """What is read there does not change, but compiled MMCV goes on with the border's gradient."""
    maps = torch.tensor([[1.0, 5.0], [2.0, 11.0]]).view(1, 1, 2, 2)
    # One point at x = -0.25, y = 0.5, in a box of 1 x 1.
    rois = torch.tensor([[0, -0.25, 0.5, 0.75, 1.5]])
    offset = torch.zeros(1, 2, 1, 1, requires_grad=True)
    result = deform_roi_pool(maps, rois, offset, (1, 1), 1.0, 1, 1.0)
    assert result.item() == pytest.approx(1.5)
    result.backward()
    along_x = (5 - 1) * 0.5 + (11 - 2) * 0.5
    along_y = (11 - 5) * -0.25 + (2 - 1) * 1.25
    torch.testing.assert_close(offset.grad.flatten(), torch.tensor([along_x, along_y]))


def test_a_point_beyond_the_frame_has_no_gradient():
    rois = torch.tensor([[0, 40.0, 40, 44, 44]])
    maps = features(torch.float32).requires_grad_()
    offset = torch.zeros(1, 2, 2, 2, requires_grad=True)
    deform_roi_pool(maps, rois, offset, (2, 2), 1.0).sum().backward()
    assert not maps.grad.any()
    assert not offset.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_rounded_float32_result(dtype):
    rois, offset = torch.tensor(ROIS, dtype=dtype), offsets(len(ROIS), (3, 3), dtype)
    narrow = [features(dtype).requires_grad_(), offset.requires_grad_()]
    wide = [leaf.detach().float().requires_grad_() for leaf in narrow]
    result = deform_roi_pool(narrow[0], rois, narrow[1], (3, 3), 0.5)
    expected = deform_roi_pool(wide[0], rois.float(), wide[1], (3, 3), 0.5)
    assert torch.equal(result, expected.to(dtype))
    result.float().sum().backward()
    expected.sum().backward()
    for mine, full in zip(narrow, wide, strict=True):
        assert torch.equal(mine.grad, full.grad.to(dtype))


def test_channels_last_gives_the_same_numbers():
    rois, offset = torch.tensor(ROIS), offsets(len(ROIS), (3, 3), torch.float32)
    maps = features(torch.float32)
    expected = deform_roi_pool(maps, rois, offset, (3, 3), 0.5)
    last = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
    result = deform_roi_pool(last, rois, offset, (3, 3), 0.5)
    torch.testing.assert_close(result, expected)
    result.sum().backward()


def test_results_do_not_depend_on_how_many_points_are_read_together(monkeypatch):
    rois, size = torch.tensor(ROIS, dtype=torch.float64), (2, 2)
    results = []
    for points in (module.POINTS_AT_ONCE, 10):
        monkeypatch.setattr(module, "POINTS_AT_ONCE", points)
        leaves = [features().requires_grad_(), offsets(len(ROIS), size).requires_grad_()]
        result = deform_roi_pool(leaves[0], rois, leaves[1], size, 0.5)
        results.append([result, *torch.autograd.grad(result.sum(), leaves)])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("layer", [DeformRoIPoolPack, ModulatedDeformRoIPoolPack])
def test_the_layers_of_mmcv_run_forward_and_backward(layer):
    torch.manual_seed(0)
    pool = layer((3, 3), output_channels=2, deform_fc_channels=8, spatial_scale=0.5)
    result = pool(features(torch.float32), torch.tensor(ROIS))
    assert result.shape == (len(ROIS), 2, 3, 3)
    result.sum().backward()
    assert pool.offset_fc[-1].bias.grad.any()


def test_no_boxes_give_an_empty_output_and_a_zero_gradient():
    maps = features(torch.float32).requires_grad_()
    offset = torch.zeros(0, 2, 3, 3, requires_grad=True)
    for moved in (offset, None):
        result = deform_roi_pool(maps, torch.zeros(0, 5), moved, (3, 3), 1.0)
        assert result.shape == (0, 2, 3, 3)
        (gradient,) = torch.autograd.grad(result.sum(), maps)
        assert not gradient.any()


def test_a_box_without_extent_reads_nothing():
    maps = features().requires_grad_()
    result = deform_roi_pool(maps, torch.tensor([[0, 4.0, 4, 4, 4]]).double(), None, (2, 2), 1.0)
    assert not result.any()
    result.sum().backward()
    assert not maps.grad.any()
