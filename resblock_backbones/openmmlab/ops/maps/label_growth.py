"""Labelled pixels that grow into their neighbours: text kernels become instances of text.

`contour_expand` is the progressive scale expansion of PSENet (arXiv 1903.12473), `pixel_group` the
aggregation of pixels of PAN (arXiv 1908.05900). Both run on the CPU, in numpy, a step of the front
at a time; the order in which pixels are taken is that of a queue.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Indices = NDArray[np.int64]
#: Left, right, up and down, as steps of y and x.
NEIGHBOURS = ((0, -1), (0, 1), (-1, 0), (1, 0))


def contour_expand(
    kernel_mask: Tensor, internal_kernel_label: Tensor, min_kernel_area: int, kernel_num: int
) -> list[list[int]]:
    """The label of each pixel (H, W), 0 for the background.

    Args:
        kernel_mask: (K, H, W) the masks, from the largest to the smallest.
        internal_kernel_label: (H, W) labels in the smallest mask, 0 for the background.
        min_kernel_area: labels with fewer pixels are left out.
        kernel_num: the number of labels, with the background.
    """
    masks = kernel_mask.cpu().numpy() > 0
    labels = internal_kernel_label.cpu().numpy().astype(np.int64)
    check_labels(labels, kernel_num + 1, "contour_expand", "kernel_num")
    is_large = np.bincount(labels.ravel(), minlength=kernel_num + 1) >= min_kernel_area
    labels = np.where(is_large[labels], labels, 0)
    front = np.flatnonzero(labels)
    for mask in masks[-2::-1]:
        # Rows before columns, as the network's maps are read there.
        front = grow(labels, front, partial(is_in, mask.ravel()), turned=True)
    return labels.tolist()


def is_in(mask: NDArray[np.bool_], pixels: Indices, _: Indices) -> NDArray[np.bool_]:
    """Whether pixels lie in a mask (H W,), whatever their labels."""
    return mask[pixels]


def pixel_group(
    score: Tensor,
    mask: Tensor,
    embedding: Tensor,
    kernel_label: Tensor,
    kernel_contour: Tensor,
    kernel_region_label: int,
    distance_threshold: float,
) -> list[list[float]]:
    """For each label its mean score, its number of pixels, and their x, y one after the other.

    Args:
        score, mask: (H, W) score of being text, and whether it is enough.
        embedding: (H, W, D) which is alike for pixels of one instance.
        kernel_label: (H, W) label of each kernel, 0 for the background.
        kernel_contour: (H, W) whether a pixel is on the border of its kernel.
        kernel_region_label: the number of labels, with the background.
        distance_threshold: how near a pixel's embedding has to be to the mean of a kernel's.
    """
    labels = kernel_label.cpu().numpy().astype(np.int64)
    check_labels(labels, kernel_region_label, "pixel_group", "kernel_region_num")
    points = embedding.detach().cpu().numpy().reshape(labels.size, -1).astype(np.float64)
    is_text = mask.cpu().numpy().ravel() > 0
    means = np.zeros((kernel_region_label, points.shape[1]))
    for label in np.unique(labels[labels > 0]):
        means[label] = points[labels.ravel() == label].mean(0)

    def is_near(pixels: Indices, label: Indices) -> NDArray[np.bool_]:
        distances = ((points[pixels] - means[label]) ** 2).sum(1)
        return is_text[pixels] & (distances < distance_threshold**2)

    on_border = (kernel_contour.cpu().numpy() > 0) & (labels > 0)
    grow(labels, np.flatnonzero(on_border), is_near, turned=False)
    scores = score.detach().cpu().numpy().ravel()
    return [[0.0, 0.0], *(region(labels, scores, one) for one in range(1, kernel_region_label))]


def region(labels: Indices, scores: NDArray[np.float32], label: int) -> list[float]:
    """Mean score, number of pixels, and x, y of each pixel of a label, row by row."""
    pixels = np.flatnonzero(labels == label)
    if not len(pixels):
        return [0.0, 0.0]
    places = np.stack([pixels % labels.shape[1], pixels // labels.shape[1]], 1)
    return [float(scores[pixels].mean()), float(len(pixels)), *places.ravel().astype(float)]


def check_labels(labels: Indices, number: int, operator: str, argument: str) -> None:
    """Refuse labels that would be read outside of a list of `number`.

    Raises:
        ValueError: there are any.
    """
    if labels.size and not 0 <= labels.min() <= labels.max() < number:
        raise ValueError(
            f"{operator}: its labels go from {labels.min()} to {labels.max()}, which "
            f"{argument} does not allow"
        )


def grow(
    labels: Indices,
    front: Indices,
    may_take: Callable[[Indices, Indices], NDArray[np.bool_]],
    *,
    turned: bool,
) -> Indices:
    """Let a front of labelled pixels take unlabelled neighbours until nothing is left to take.

    Args:
        labels: (H, W), 0 where there is none; changed in place.
        front: (K,) pixels, counted row by row, in the order in which they take.
        may_take: whether pixels may have labels, by (pixels, labels).
        turned: whether up and down are asked before left and right.

    Returns:
        The pixels of all fronts that took none, in order.
    """
    flat, (height, width) = labels.reshape(-1), labels.shape
    taker = np.empty(flat.shape, np.int64)
    moves = np.array(NEIGHBOURS[2:] + NEIGHBOURS[:2] if turned else NEIGHBOURS)
    stuck = []
    while len(front):
        y, x = (axis[:, None] + moves[:, i] for i, axis in enumerate(divmod(front, width)))
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        source = np.broadcast_to(np.arange(len(front))[:, None], inside.shape)[inside]
        pixels = (y * width + x)[inside]
        label = flat[front[source]]
        free = flat[pixels] == 0
        free[free] = may_take(pixels[free], label[free])
        pixels, source, label = pixels[free], source[free], label[free]
        # Of several that could take a pixel, the first does: the last one to be written here.
        order = np.arange(len(pixels))
        taker[pixels[::-1]] = order[::-1]
        first = taker[pixels] == order
        flat[pixels[first]] = label[first]
        took = np.zeros(len(front), bool)
        took[source[first]] = True
        stuck.append(front[~took])
        front = pixels[first]
    return np.concatenate(stuck) if stuck else front
