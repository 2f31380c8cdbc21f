"""CARAFE through mmcv.ops, against its definition and finite differences."""

import pytest
import torch
from mmcv.ops import CARAFE, CARAFENaive, CARAFEPack, carafe, carafe_naive

from resblock_backbones.openmmlab.ops.table import OPERATORS

# kernel, groups, scale
SETTINGS = [(3, 1, 2), (5, 2, 2), (1, 4, 1), (3, 2, 3)]


def tensors(
    kernel: int, groups: int, scale: int, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 4, 3, 5, generator=generator, dtype=torch.float64)
    masks = torch.rand(
        2, groups * kernel**2, 3 * scale, 5 * scale, generator=generator, dtype=torch.float64
    )
    return features.to(dtype), masks.to(dtype)


def reassembled(features, masks, kernel, groups, scale):
    """Each new pixel: the sum of the old ones around the one that it lies in, times its mask."""
    batch, channels, height, width = features.shape
    output = torch.zeros(batch, channels, height * scale, width * scale, dtype=torch.float64)
    for b, c, y, x in torch.cartesian_prod(*(torch.arange(n) for n in output.shape)).tolist():
        group = c // (channels // groups)
        for i in range(kernel):
            for j in range(kernel):
                row, column = y // scale + i - kernel // 2, x // scale + j - kernel // 2
                if 0 <= row < height and 0 <= column < width:
                    weight = masks[b, (group * kernel + i) * kernel + j, y, x]
                    output[b, c, y, x] += weight * features[b, c, row, column]
    return output


@pytest.mark.parametrize("operator", [carafe, carafe_naive])
@pytest.mark.parametrize("setting", SETTINGS)
def test_both_forms_follow_the_definition(operator, setting):
    features, masks = tensors(*setting)
    expected = reassembled(features, masks, *setting)
    torch.testing.assert_close(operator(features, masks, *setting), expected)


@pytest.mark.parametrize("setting", SETTINGS)
def test_gradients_are_those_of_finite_differences(setting):
    features, masks = (leaf.requires_grad_() for leaf in tensors(*setting))
    torch.autograd.gradcheck(
        lambda *leaves: carafe(*leaves, *setting), (features, masks), fast_mode=True
    )


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_naive_form_has_the_same_gradients(setting):
    """Called directly: MMCV's own backward of the naive form refuses CPU tensors."""
    features, masks = (leaf.requires_grad_() for leaf in tensors(*setting))
    output = carafe(features, masks, *setting)
    shade = torch.randn_like(output)
    expected = torch.autograd.grad(output, (features, masks), shade)
    found = torch.zeros_like(features), torch.zeros_like(masks)
    OPERATORS["carafe_naive_backward"](shade, features, masks, *found, *setting)
    torch.testing.assert_close(found, expected)


def test_a_mask_of_the_centre_alone_repeats_pixels():
    features, masks = tensors(3, 1, 2)
    masks = torch.zeros_like(masks)
    masks[:, 4] = 1
    expected = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(carafe(features, masks, 3, 1, 2), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_rounded_float32_result(dtype):
    narrow = [leaf.requires_grad_() for leaf in tensors(*SETTINGS[1], dtype)]
    wide = [leaf.detach().float().requires_grad_() for leaf in narrow]
    result, expected = (carafe(*leaves, *SETTINGS[1]) for leaves in (narrow, wide))
    assert torch.equal(result, expected.to(dtype))
    result.sum().backward()
    expected.sum().backward()
    for mine, full in zip(narrow, wide, strict=True):
        assert torch.equal(mine.grad, full.grad.to(dtype))


def test_the_upsampler_runs_under_autocast_forward_and_backward():
    torch.manual_seed(0)
    upsampler = CARAFEPack(4, scale_factor=2, compressed_channels=8)
    features = tensors(*SETTINGS[0], torch.float32)[0]
    expected = upsampler(features)
    assert expected.shape == (2, 4, 6, 10)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = upsampler(features)
    torch.testing.assert_close(result, expected, rtol=0.02, atol=0.02, check_dtype=False)
    result.sum().backward()
    assert upsampler.content_encoder.weight.grad.any()


def test_channels_last_gives_the_same_numbers():
    features, masks = tensors(*SETTINGS[1])
    last = [leaf.contiguous(memory_format=torch.channels_last) for leaf in (features, masks)]
    expected = carafe(features, masks, *SETTINGS[1])
    torch.testing.assert_close(carafe(*last, *SETTINGS[1]), expected)


@pytest.mark.parametrize("layer", [CARAFE(3, 1, 2), CARAFENaive(3, 1, 2)])
def test_no_images_give_an_empty_output(layer):
    result = layer(torch.zeros(0, 4, 3, 5), torch.zeros(0, 9, 6, 10))
    assert result.shape == (0, 4, 6, 10)
