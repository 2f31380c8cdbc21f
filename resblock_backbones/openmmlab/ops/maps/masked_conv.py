"""Convolution at some pixels only (guided anchoring, arXiv 1901.03278).

MMCV multiplies the patches of those pixels with the weight itself; these operators take the patches
out and put the results back.
"""

import torch.nn.functional as F
from torch import Tensor


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Fill `col` (C * kernel_h * kernel_w, M) with the patches of `im` (1, C, H, W).

    Args:
        mask_h_idx, mask_w_idx: (M,) int64, the row and column of each patch's upper left pixel once
            the image has `pad_h` and `pad_w` pixels of zeros around it.
    """
    padded = F.pad(im[0], (pad_w, pad_w, pad_h, pad_h))
    patches = col.view(len(padded), kernel_h, kernel_w, -1)
    for i in range(kernel_h):
        for j in range(kernel_w):
            patches[:, i, j] = padded[:, mask_h_idx + i, mask_w_idx + j]


def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Put `col` (channels, M) into `im` (1, channels, height, width) at the M pixels."""
    im[0][:, mask_h_idx, mask_w_idx] = col.to(im.dtype)
