"""Whether a file finds in images what the model does that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Tolerance:
    """How far a file may be from its model.

    Attributes:
        box: a coordinate, as a part of the image's longer side.
        score: a score; a logit as a part of the largest.
        objects: the share of objects without a counterpart: suppression and the choice of the best
            turn on the last digit where two boxes, or two scores, are as good as each other.
        pixels: the share of pixels of another class: those where two are equally likely.
        masks: the share of a mask's pixels.
    """

    box: float
    score: float
    objects: float
    pixels: float
    masks: float


SINGLE = Tolerance(box=1e-3, score=1e-3, objects=0.02, pixels=1e-3, masks=0.02)
#: Half precision has three digits.
HALF = Tolerance(box=0.01, score=0.02, objects=0.1, pixels=0.02, masks=0.05)

Found = dict[str, np.ndarray]


@dataclass(frozen=True)
class Compared:
    """How the file's outputs for a batch compare with the model's.

    Attributes:
        shape: of the images, ``(N, C, H, W)``.
        objects: how many the model finds; the pixels, of a segmentor.
        odd: how many of them the file has not, or has and the model has not.
        box: the largest difference of a coordinate among the others, in pixels.
        score: the largest difference of a score; of a logit, as a part of the largest.
        pixels: the share of the pixels of masks that differ.
    """

    shape: tuple[int, ...]
    objects: int
    odd: int
    box: float = 0.0
    score: float = 0.0
    pixels: float = 0.0


def compare(
    shape: Sequence[int],
    ours: Sequence[Found],
    theirs: Sequence[Found],
    tolerance: Tolerance = SINGLE,
) -> Compared:
    """Compare what is found in the images of a batch.

    Args:
        shape: of the batch.
        ours: of the file, one for each image.
        theirs: of the model.
        tolerance: up to which an object counts as the same.
    """
    if "logits" in theirs[0]:
        return _compare_logits(
            shape, [one["logits"] for one in ours], [one["logits"] for one in theirs]
        )
    if "label_map" in theirs[0]:
        pairs = [(a["label_map"], b["label_map"]) for a, b in zip(ours, theirs, strict=True)]
        odd = sum(int((a != b).sum()) for a, b in pairs)
        return Compared(tuple(shape), sum(b.size for _, b in pairs), odd)
    distance = tolerance.box * max(shape[2:])
    objects, odd, boxes, scores, pixels = 0, 0, [0.0], [0.0], [0.0]
    for mine, other in zip(ours, theirs, strict=True):
        matched = _matched(mine, other, distance, tolerance.score)
        objects += len(other["scores"])
        odd += len(other["scores"]) + len(mine["scores"]) - 2 * len(matched)
        for i, j in matched:
            boxes.append(float(np.abs(mine["boxes"][i] - other["boxes"][j]).max()))
            scores.append(float(abs(mine["scores"][i] - other["scores"][j])))
            if "masks" in other:
                differ = mine["masks"][i] != other["masks"][j]
                pixels.append(float(differ.sum()) / max(1, int(other["masks"][j].sum())))
    share = float(np.mean(pixels[1:])) if len(pixels) > 1 else 0.0
    return Compared(tuple(shape), objects, odd, max(boxes), max(scores), share)


def fault(rows: Sequence[Compared], tolerance: Tolerance = SINGLE) -> str | None:
    """What is wrong with a file, or None.

    Example:
        >>> fault([Compared((1, 3, 64, 64), 50, 0)])
        >>> fault([Compared((1, 3, 64, 64), 50, 9)])
        'of 50 objects in 1x3x64x64, 9 are not in both'
    """
    segments = any(row.objects == row.shape[0] * row.shape[2] * row.shape[3] for row in rows)
    # An object that moved too far is in neither, which counts twice.
    allowed, what = (tolerance.pixels, "pixels") if segments else (2 * tolerance.objects, "objects")
    total = sum(row.objects for row in rows)
    for row in rows:
        where = "x".join(map(str, row.shape))
        # One image may have few objects; all together are many.
        if row.odd > max(4, allowed * row.objects):
            return f"of {row.objects} {what} in {where}, {row.odd} are not in both"
        if segments and row.score > tolerance.score:
            return f"logits in {where} differ by {row.score:.1e} of the largest"
        if row.pixels > tolerance.masks:
            return f"masks in {where} differ in {100 * row.pixels:.1f} % of their pixels"
    odd = sum(row.odd for row in rows)
    if odd > max(2, allowed * total):
        return f"of {total} {what}, {odd} are not in both"
    return None


def table(rows: Sequence[Compared]) -> str:
    """The comparison, for a person."""
    lines = [
        "| images | objects or pixels | not in both | box, px | score |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        shape = "x".join(map(str, row.shape))
        lines.append(f"| {shape} | {row.objects} | {row.odd} | {row.box:.1e} | {row.score:.1e} |")
    return "\n".join(lines)


def unpack(outputs: Sequence[Any], names: Sequence[str]) -> list[Found]:
    """A file's outputs, without the padding, one entry for each image."""
    named = {
        name: value.numpy() if isinstance(value, Tensor) else np.asarray(value)
        for name, value in zip(names, outputs, strict=True)
    }
    if "label_map" in named:
        return [{"label_map": one} for one in named["label_map"]]
    if "logits" in named:
        return [{"logits": one} for one in named["logits"]]
    counts = named.pop("num_detections")
    return [
        {name: value[index][: int(count)] for name, value in named.items()}
        for index, count in enumerate(counts)
    ]


def images_to_trace(divisor: int = 32) -> Tensor:
    """Black images ``(2, 3, H, W)``, uint8, to read the graph off a model with.

    Exporters take a side of one for fixed, so that the maps of the largest stride in use, 128,
    need more. Height and width differ on every level.

    Example:
        >>> tuple(images_to_trace().shape)
        (2, 3, 299, 417)
    """
    side = max(32, divisor)
    return torch.zeros(2, 3, 9 * side + 11, 13 * side + 1, dtype=torch.uint8)


def example_images(divisor: int = 32, size: tuple[int, int] | None = None) -> list[Tensor]:
    """Batches of images, ``(N, 3, H, W)``, uint8, to compare with.

    They hold rectangles; the last is dark and has none. Noise lies over all: in a flat area a model
    sees the same at every place, its scores there are equal, and which of them is chosen, or
    suppresses the others, is chance.

    Args:
        divisor: of the sizes that the model pads to; sets those of the images.
        size: height and width, of one image a batch; None is batches of several sizes.

    Example:
        >>> [tuple(batch.shape) for batch in example_images(size=(64, 96))][-1]
        (1, 3, 64, 96)
    """
    generator = torch.Generator().manual_seed(0)
    side = max(32, divisor)
    batches: list[Tensor] = []
    shapes = [
        (2, 3 * side + 11, 4 * side + 1),
        (1, 4 * side, 5 * side),
        (3, 5 * side + 1, 3 * side + 9),
        (2, 2 * side - 1, 4 * side - 14),
        (1, 3 * side, 3 * side),
    ]
    if size is not None:
        shapes = [(1, *size) for _ in shapes]
    for number, height, width in shapes:
        dark = len(batches) + 1 == len(shapes)
        images = torch.zeros(number, 3, height, width, dtype=torch.int64)
        for image in () if dark else images:
            for _ in range(6):
                top, left = (
                    int(torch.randint(0, max(1, n - 8), (), generator=generator))
                    for n in (height, width)
                )
                largest = max(2 * side, min(height, width) // 2)
                extent = torch.randint(8, largest, (2,), generator=generator).tolist()
                colour = torch.randint(0, 166, (3, 1, 1), generator=generator)
                image[:, top : top + extent[0], left : left + extent[1]] = colour
        images += torch.randint(0, 16 if dark else 90, images.shape, generator=generator)
        batches.append(images.to(torch.uint8))
    return batches


def _compare_logits(
    shape: Sequence[int], ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]
) -> Compared:
    odd, pixels, scores = 0, 0, [0.0]
    for mine, other in zip(ours, theirs, strict=True):
        first, second = (one.argmax(0) if len(one) > 1 else one[0] > 0 for one in (mine, other))
        odd, pixels = odd + int((first != second).sum()), pixels + second.size
        scores.append(float(np.abs(mine - other).max() / max(1e-6, np.abs(other).max())))
    return Compared(tuple(shape), pixels, odd, score=max(scores))


def _matched(mine: Found, other: Found, tolerance: float, of_score: float) -> list[tuple[int, int]]:
    free = set(range(len(mine["scores"])))
    pairs = []
    for j in range(len(other["scores"])):
        best, distance = -1, tolerance
        for i in free:
            if mine["labels"][i] != other["labels"][j]:
                continue
            if abs(float(mine["scores"][i]) - float(other["scores"][j])) > of_score:
                continue
            far = float(np.abs(mine["boxes"][i] - other["boxes"][j]).max())
            if far <= distance:
                best, distance = i, far
        if best >= 0:
            free.discard(best)
            pairs.append((best, j))
    return pairs
