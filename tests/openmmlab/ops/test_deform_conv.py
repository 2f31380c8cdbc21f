"""Deformable convolution through mmcv.ops, against its definition and torchvision."""

import pytest
import torch
import torchvision
from literal_formulas import deformable_convolution
from mmcv.ops import (
    DeformConv2d,
    DeformConv2dPack,
    ModulatedDeformConv2d,
    ModulatedDeformConv2dPack,
    deform_conv2d,
    modulated_deform_conv2d,
)

from resblock_backbones.openmmlab.ops.table import OPERATORS

# stride, padding, dilation, groups, deformable groups, kernel
SETTINGS = [
    ((1, 1), (1, 1), (1, 1), 1, 1, (3, 3)),
    ((2, 1), (0, 2), (1, 2), 2, 1, (3, 2)),
    ((1, 2), (2, 1), (2, 1), 1, 2, (1, 3)),
    ((2, 2), (1, 1), (1, 1), 2, 4, (2, 2)),
    ((1, 1), (0, 0), (1, 1), 4, 2, (1, 1)),
]


def tensors(stride, padding, dilation, groups, deform_groups, kernel, *, seed=0, batch=2):
    """Features (B, 4, 6, 5), offset, mask, weight (4, ...), bias: random, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    height, width = (
        (size + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i, size in enumerate((6, 5))
    )
    points = deform_groups * kernel[0] * kernel[1]
    return (
        draw(batch, 4, 6, 5),
        # Large enough that some points leave the map on every side.
        draw(batch, 2 * points, height, width) * 3,
        draw(batch, points, height, width),
        draw(4, 4 // groups, *kernel),
        draw(4),
    )


@pytest.mark.parametrize("setting", SETTINGS)
def test_both_forms_follow_the_definition(setting):
    features, offset, mask, weight, bias = tensors(*setting)
    expected = deformable_convolution(features, offset, mask, weight, bias, *setting[:5])
    result = modulated_deform_conv2d(features, offset, mask, weight, bias, *setting[:5])
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-12)
    expected = deformable_convolution(
        features, offset, torch.ones_like(mask), weight, torch.zeros_like(bias), *setting[:5]
    )
    result = deform_conv2d(features, offset, weight, *setting[:5])
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_modulated_form_is_torchvision_forward_and_backward(setting, with_bias):
    ours, theirs = ([t.requires_grad_() for t in tensors(*setting)] for _ in range(2))
    stride, padding, dilation, groups, deform_groups, _ = setting
    bias = ours[4] if with_bias else None
    result = modulated_deform_conv2d(*ours[:4], bias, *setting[:5])
    features, offset, mask, weight, bias = theirs
    expected = torchvision.ops.deform_conv2d(
        features, offset, weight, bias if with_bias else None, stride, padding, dilation, mask
    )
    torch.testing.assert_close(result, expected)
    shade = torch.randn_like(result)
    (result * shade).sum().backward()
    (expected * shade).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


@pytest.mark.parametrize("setting", SETTINGS)
def test_gradients_are_those_of_finite_differences(setting):
    features, offset, mask, weight, bias = (t.requires_grad_() for t in tensors(*setting))
    torch.autograd.gradcheck(
        lambda *leaves: modulated_deform_conv2d(*leaves, *setting[:5]),
        (features, offset, mask, weight, bias),
        fast_mode=True,
    )
    torch.autograd.gradcheck(
        lambda *leaves: deform_conv2d(*leaves, *setting[:5]),
        (features, offset, weight),
        fast_mode=True,
    )


def test_without_offsets_it_is_a_convolution():
    features, offset, mask, weight, bias = tensors(*SETTINGS[0])
    result = modulated_deform_conv2d(
        features, offset * 0, torch.ones_like(mask), weight, bias, 1, 1
    )
    torch.testing.assert_close(result, torch.conv2d(features, weight, bias, padding=1))
    result = deform_conv2d(features, offset * 0, weight, 1, 1)
    torch.testing.assert_close(result, torch.conv2d(features, weight, padding=1))


def test_a_point_on_the_frame_outside_the_map_has_no_gradient_to_its_offset():
    """With zero offsets the padding lies at -1 exactly, where compiled MMCV stops looking."""
    features, offset, mask, weight, bias = tensors(*SETTINGS[0])
    offset = (offset * 0).requires_grad_()
    modulated_deform_conv2d(features, offset, mask, weight, bias, 1, 1).sum().backward()
    gradient = offset.grad.view(2, 3, 3, 2, 6, 5)
    assert not gradient[:, 0, :, :, 0].any()  # the kernel's upper row at the first row
    assert not gradient[:, :, 0, :, :, 0].any()  # the kernel's left column at the first column
    assert not gradient[:, 2, :, :, -1].any()
    assert not gradient[:, :, 2, :, :, -1].any()
    assert gradient[:, 1, 1].all()

    plain = torch.zeros_like(offset).requires_grad_()
    deform_conv2d(features, plain, weight, 1, 1).sum().backward()
    full = torch.zeros_like(offset).requires_grad_()
    modulated_deform_conv2d(
        features, full, torch.ones_like(mask), weight, bias, 1, 1
    ).sum().backward()
    torch.testing.assert_close(plain.grad, full.grad)


@pytest.mark.parametrize("only", [0, 1, 2])
def test_each_gradient_of_the_plain_form_is_there_without_the_others(only):
    features, offset, _, weight, _ = tensors(*SETTINGS[3])
    together = [t.clone().requires_grad_() for t in (features, offset, weight)]
    alone = [t.clone().requires_grad_(i == only) for i, t in enumerate((features, offset, weight))]
    for leaves in (together, alone):
        deform_conv2d(*leaves, *SETTINGS[3][:5]).square().sum().backward()
    torch.testing.assert_close(alone[only].grad, together[only].grad)


def test_a_second_backward_through_the_plain_form_uses_its_own_gradient():
    features, offset, _, weight, _ = (t.requires_grad_() for t in tensors(*SETTINGS[0]))
    result = deform_conv2d(features, offset, weight, 1, 1)
    (first,) = torch.autograd.grad(result.sum(), weight, retain_graph=True)
    torch.autograd.grad(result.sum(), features, retain_graph=True)
    (second,) = torch.autograd.grad((2 * result).sum(), weight, retain_graph=True)
    torch.testing.assert_close(second, 2 * first)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_other_dtypes_are_the_rounded_result(dtype):
    leaves = [t.to(dtype).requires_grad_() for t in tensors(*SETTINGS[0])]
    result = modulated_deform_conv2d(*leaves, 1, 1)
    wide = [t.detach().float().requires_grad_() for t in leaves]
    expected = modulated_deform_conv2d(*wide, 1, 1)
    assert torch.equal(result, expected.to(dtype))
    result.sum().backward()
    expected.sum().backward()
    for narrow, full in zip(leaves, wide, strict=True):
        assert torch.equal(narrow.grad, full.grad.to(dtype))
    features, offset, _, weight, _ = leaves
    assert deform_conv2d(features, offset, weight, 1, 1).dtype == dtype


@pytest.mark.parametrize("layer", [DeformConv2dPack, ModulatedDeformConv2dPack])
def test_under_autocast_the_layers_run_forward_and_backward(layer):
    torch.manual_seed(0)
    features = torch.randn(1, 4, 6, 5)
    convolution = layer(4, 6, 3, padding=1, deform_groups=2)
    expected = convolution(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = convolution(features)
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.float(), expected, rtol=0.02, atol=0.05)
    result.float().sum().backward()
    assert convolution.weight.grad.dtype == torch.float32
    assert convolution.conv_offset.weight.grad.isfinite().all()


def test_more_images_than_im2col_step_and_other_strides_give_the_same():
    features, offset, mask, weight, bias = tensors(*SETTINGS[0], batch=4)
    expected = deform_conv2d(features, offset, weight, 1, 1)
    torch.testing.assert_close(
        deform_conv2d(features, offset, weight, 1, 1, 1, 1, 1, False, 2), expected
    )
    last = features.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(deform_conv2d(last, offset, weight, 1, 1), expected)
    torch.testing.assert_close(
        modulated_deform_conv2d(last, offset, mask, weight, bias, 1, 1),
        modulated_deform_conv2d(features, offset, mask, weight, bias, 1, 1),
    )


def test_a_map_smaller_than_the_kernel_is_padded_by_the_plain_layer():
    torch.manual_seed(0)
    layer = DeformConv2d(2, 3, 3, padding=1)
    features = torch.randn(1, 2, 1, 2)
    result = layer(features, torch.zeros(1, 18, 1, 2))
    torch.testing.assert_close(result, torch.conv2d(features, layer.weight, padding=1))


@pytest.mark.parametrize("images", [0, 1])
def test_no_images_and_no_pixels_are_refused_by_mmcv_itself(images):
    layer = ModulatedDeformConv2d(2, 3, 3)
    features, offset, mask = (torch.zeros(images, c, 2, 2) for c in (2, 18, 9))
    with pytest.raises(ValueError, match="convolution input is too small"):
        layer(features, offset, mask)


def test_the_plain_backward_operators_may_be_called_apart_from_each_other():
    """A gradient that the first leaves for the second is not taken for another output's."""
    features, offset, _, weight, _ = tensors(*SETTINGS[0])
    output = torch.zeros(2, 4, 6, 5, dtype=torch.float64)
    numbers = {"kW": 3, "kH": 3, "dW": 1, "dH": 1, "padW": 1, "padH": 1}
    numbers |= {"dilationW": 1, "dilationH": 1, "group": 1, "deformable_group": 1}
    found, scratch = torch.zeros_like(weight), torch.zeros(0)
    OPERATORS["deform_conv_backward_input"](
        *(features, offset, output + 1, torch.zeros_like(features), torch.zeros_like(offset)),
        *(weight, scratch),
        **numbers,
        im2col_step=2,
    )
    OPERATORS["deform_conv_backward_parameters"](
        *(features, offset, output + 3, found, scratch, scratch),
        **numbers,
        scale=0.5,
        im2col_step=2,
    )
    leaf = weight.requires_grad_()
    (full,) = torch.autograd.grad(deform_conv2d(features, offset, leaf, 1, 1), leaf, output + 1.5)
    torch.testing.assert_close(found, full)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_offsets_of_a_larger_map_are_read_as_compiled_mmcv_reads_them(layout):
    """Number after number, as if they had the output's size; DyHead's weights rely on it."""
    features, _, _, weight, bias = tensors(*SETTINGS[0])
    offset = torch.randn(2, 18, 12, 10, dtype=torch.float64)
    offset = offset.to(memory_format=layout).requires_grad_()
    mask = torch.rand(2, 9, 12, 10, dtype=torch.float64).requires_grad_()
    result = modulated_deform_conv2d(features, offset, mask, weight, bias, *SETTINGS[0][:5])
    used_offset, used_mask = (
        torch.stack([image.reshape(-1)[: channels * 30] for image in values]).reshape(
            2, channels, 6, 5
        )
        for values, channels in ((offset, 18), (mask, 9))
    )
    expected = torchvision.ops.deform_conv2d(
        features, used_offset, weight, bias, padding=1, mask=used_mask
    )
    torch.testing.assert_close(result, expected)
    shade = torch.randn_like(result)
    ours = torch.autograd.grad((result * shade).sum(), (offset, mask))
    theirs = torch.autograd.grad((expected * shade).sum(), (offset, mask))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_too_few_offsets_are_refused():
    features, offset, mask, weight, bias = tensors(*SETTINGS[0])
    with pytest.raises(ValueError, match="3x3.*6x5"):
        modulated_deform_conv2d(
            features, offset[..., :3, :3].contiguous(), mask, weight, bias, *SETTINGS[0][:5]
        )
