"""PSA masks through mmcv.ops, against their definition and finite differences."""

import pytest
import torch
from mmcv.ops import PSAMask

# map height and width, mask height and width: larger, smaller, even, longer one way
SIZES = [(3, 4, 5, 7), (5, 5, 3, 3), (3, 5, 4, 2), (4, 3, 1, 9)]


def predictions(size, dtype=torch.float64):
    height, width, mask_height, mask_width = size
    generator = torch.Generator().manual_seed(0)
    shape = (2, mask_height * mask_width, height, width)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def laid_over_the_map(masks, size, kind):
    """For each pixel h, w, its mask with the middle on itself."""
    height, width, mask_height, mask_width = size
    output = torch.zeros(2, height * width, height, width, dtype=masks.dtype)
    for h in range(height):
        for w in range(width):
            for i in range(mask_height):
                for j in range(mask_width):
                    y, x = h + i - (mask_height - 1) // 2, w + j - (mask_width - 1) // 2
                    if 0 <= y < height and 0 <= x < width:
                        weight = masks[:, i * mask_width + j, h, w]
                        if kind == "collect":
                            output[:, y * width + x, h, w] = weight
                        else:
                            output[:, h * width + w, y, x] = weight
    return output


@pytest.mark.parametrize("kind", ["collect", "distribute"])
@pytest.mark.parametrize("size", SIZES)
def test_it_follows_the_definition(kind, size):
    masks = predictions(size)
    expected = laid_over_the_map(masks, size, kind)
    assert torch.equal(PSAMask(kind, size[2:])(masks), expected)


@pytest.mark.parametrize("kind", ["collect", "distribute"])
@pytest.mark.parametrize("size", SIZES)
def test_gradients_are_those_of_finite_differences(kind, size):
    layer = PSAMask(kind, size[2:])
    torch.autograd.gradcheck(layer, predictions(size).requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_other_dtypes_are_passed_on_as_they_are(dtype):
    masks = predictions(SIZES[0], dtype).requires_grad_()
    result = PSAMask("collect", SIZES[0][2:])(masks)
    assert result.dtype == dtype
    assert torch.equal(result, laid_over_the_map(masks.detach(), SIZES[0], "collect"))
    result.sum().backward()
    assert masks.grad.dtype == dtype


@pytest.mark.parametrize("kind", ["collect", "distribute"])
def test_channels_last_gives_the_same_numbers(kind):
    layer, masks = PSAMask(kind, SIZES[0][2:]), predictions(SIZES[0])
    last = masks.contiguous(memory_format=torch.channels_last).requires_grad_()
    result = layer(last)
    assert torch.equal(result, layer(masks))
    result.contiguous(memory_format=torch.channels_last).sum().backward()
    assert last.grad.any()


def test_no_images_give_an_empty_output():
    masks = torch.zeros(0, 9, 4, 4, requires_grad=True)
    result = PSAMask("collect", (3, 3))(masks)
    assert result.shape == (0, 16, 4, 4)
    result.sum().backward()
