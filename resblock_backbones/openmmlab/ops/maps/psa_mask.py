"""Point-wise spatial attention masks (PSANet, Zhao et al., ECCV 2018).

Each pixel h, w predicts a mask of weights that is centred on it.  The weight for pixel y, x is the
mask's entry (y - h + half, x - w + half); outside of the mask it is 0.
"""

import torch
from torch import Tensor

COLLECT, DISTRIBUTE = 0, 1


def psamask_forward(
    input: Tensor,
    output: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Fill `output` (B, H W, H, W) from `input` (B, h_mask * w_mask, H, W).

    Args:
        psa_type: 0 collect: `output[:, y * W + x, h, w]` is what h, w predicts for y, x;
            1 distribute: `output[:, h * W + w, y, x]` is.
        num_, h_feature, w_feature: B, H, W.
        half_h_mask, half_w_mask: the entry of a mask that lies on its own pixel.
    """
    size = (h_feature, w_feature)
    masks = input.view(num_, h_mask, w_mask, *size)
    laid = shifted(masks, size, -1, (half_h_mask, half_w_mask))
    if psa_type == DISTRIBUTE:
        laid = laid.permute(0, 3, 4, 1, 2)
    output.view(num_, *size, *size).copy_(laid)


def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Fill `grad_input` with the gradient of `psamask_forward`."""
    size = (h_feature, w_feature)
    laid = grad_output.reshape(num_, *size, *size)
    if psa_type == DISTRIBUTE:
        laid = laid.permute(0, 3, 4, 1, 2)
    masks = shifted(laid, (h_mask, w_mask), 1, (half_h_mask, half_w_mask))
    grad_input.view(num_, h_mask, w_mask, *size).copy_(masks)


def shifted(values: Tensor, size: tuple[int, int], sign: int, middle: tuple[int, int]) -> Tensor:
    """(B, *size, H, W): the entries of `values` (B, *, *, H, W), shifted with the pixel.

    Entry i, j of pixel h, w is that of `values` at i + sign (h - middle), j + sign (w - middle),
    and 0 where `values` has none.
    """
    height, width = values.shape[-2:]
    i, j, h, w = (torch.arange(n, device=values.device) for n in (*size, height, width))
    row = i[:, None] + sign * (h - middle[0])
    column = j[:, None] + sign * (w - middle[1])
    row, column = row[:, None, :, None], column[None, :, None, :]
    has_row = (row >= 0) & (row < values.shape[1])
    has_column = (column >= 0) & (column < values.shape[2])
    row, column = row.clamp(0, values.shape[1] - 1), column.clamp(0, values.shape[2] - 1)
    taken = values[:, row, column, h[:, None], w]
    return taken.masked_fill_(~(has_row & has_column), 0)
