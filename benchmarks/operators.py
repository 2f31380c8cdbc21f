"""Speed of MMCV's operators on torchvision's kernels.

    python benchmarks/operators.py
    python benchmarks/operators.py --write docs/benchmarks.md

If torchvision has the same operator, the overhead of the call through `mmcv.ops` is measured, else
the vectorised operator is compared with a loop over boxes, pixels or points.  Both sides run in
turn in one process, and their results are compared.
"""

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
import torchvision
from page import put_section
from torch import Tensor

from resblock_backbones.openmmlab.ops import install

install()

from mmcv.ops import (  # noqa: E402  (MMCV asks for its operators when it is imported)
    carafe,
    modulated_deform_conv2d,
    nms,
    nms_rotated,
    roi_align,
    soft_nms,
)
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction  # noqa: E402


class Comparison(NamedTuple):
    """Two implementations with the same result."""

    operator: str
    given: str
    ours: Callable[[], object]
    other_way: str
    other: Callable[[], object]


def some_boxes(count: int, *, image: float = 1000.0, largest: float = 100.0) -> Tensor:
    """(count, 4) boxes x1, y1, x2, y2, spread over an image."""
    corner = torch.rand(count, 2) * image
    return torch.cat([corner, corner + torch.rand(count, 2) * largest], 1)


def against_torchvision() -> Iterator[Comparison]:
    """Operators that torchvision also has."""
    direct = "torchvision, called directly"
    boxes, scores = some_boxes(10_000), torch.rand(10_000)
    yield Comparison(
        "nms",
        "10,000 boxes",
        lambda: nms(boxes, scores, 0.5)[1],
        direct,
        lambda: torchvision.ops.nms(boxes, scores, 0.5),
    )

    level = torch.randn(1, 256, 100, 168)
    proposals = torch.cat([torch.zeros(1000, 1), some_boxes(1000, image=600, largest=200)], 1)
    yield Comparison(
        "roi_align",
        "1,000 proposals on 256 x 100 x 168, 7 x 7",
        lambda: roi_align(level, proposals, 7, 1 / 8, 0, "avg", True),
        direct,
        lambda: torchvision.ops.roi_align(level, proposals, 7, 1 / 8, 0, True),
    )

    leaves = [
        torch.randn(*shape, requires_grad=True)
        for shape in ((1, 256, 64, 64), (1, 18, 64, 64), (1, 9, 64, 64), (256, 256, 3, 3), (256,))
    ]
    features, offset, mask, weight, bias = leaves

    def ours() -> Tensor:
        return modulated_deform_conv2d(features, offset, mask, weight, bias, 1, 1)

    def theirs() -> Tensor:
        return torchvision.ops.deform_conv2d(features, offset, weight, bias, 1, 1, 1, mask)

    def trained(forward: Callable[[], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(forward().sum(), leaves)

    given = "256 x 64 x 64, 3 x 3"
    name = "modulated_deform_conv"
    yield Comparison(name, given, ours, direct, theirs)
    yield Comparison(f"{name}, with gradients", given, trained(ours), direct, trained(theirs))


def against_loops() -> Iterator[Comparison]:
    """Operators that torchvision does not have."""
    boxes, scores = some_boxes(1000, image=400), torch.rand(1000)
    yield Comparison(
        "softnms",
        "1,000 boxes, linear",
        lambda: soft_nms(boxes, scores, 0.3, method="linear")[1],
        "loop over boxes",
        lambda: soft_nms_loop(boxes.tolist(), scores.tolist(), 0.3, 1e-3),
    )

    turned = torch.cat([torch.rand(200, 2) * 300, torch.rand(200, 2) * 80, torch.rand(200, 1)], 1)
    confidence = torch.rand(200)
    yield Comparison(
        "nms_rotated",
        "200 boxes",
        lambda: nms_rotated(turned, confidence, 0.3)[1],
        "loop over boxes",
        lambda: rotated_nms_loop(turned.tolist(), confidence.tolist(), 0.3),
    )

    features, masks = torch.randn(1, 256, 16, 16), torch.rand(1, 25, 32, 32)
    yield Comparison(
        "carafe",
        "256 x 16 x 16 to 32 x 32, kernel 5",
        lambda: carafe(features, masks, 5, 1, 2),
        "loop over pixels",
        lambda: carafe_loop(features, masks, 5, 2),
    )

    shapes = torch.tensor([[32, 32], [16, 16], [8, 8], [4, 4]])
    starts = torch.tensor([0, 1024, 1280, 1344])
    values, locations = torch.randn(1, 1360, 8, 32), torch.rand(1, 100, 8, 4, 4, 2)
    attention = torch.rand(1, 100, 8, 4, 4)
    yield Comparison(
        "ms_deform_attn",
        "100 queries, 8 heads of 32, 4 levels, 4 points",
        lambda: MultiScaleDeformableAttnFunction.apply(
            values, shapes, starts, locations, attention, 64
        ),
        "loop over points",
        lambda: deform_attn_loop(values, shapes.tolist(), starts.tolist(), locations, attention),
    )


def soft_nms_loop(
    boxes: list[list[float]], scores: list[float], threshold: float, min_score: float
) -> Tensor:
    """Indices in the order in which linear soft-NMS takes the boxes."""
    left, taken = dict(enumerate(scores)), []
    while left:
        best = max(left, key=lambda i: left[i])
        del left[best]
        taken.append(best)
        ax1, ay1, ax2, ay2 = boxes[best]
        for i in list(left):
            bx1, by1, bx2, by2 = boxes[i]
            width, height = min(ax2, bx2) - max(ax1, bx1), min(ay2, by2) - max(ay1, by1)
            common = max(width, 0) * max(height, 0)
            overlap = common / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - common)
            if overlap >= threshold:
                left[i] *= 1 - overlap
            if left[i] < min_score:
                del left[i]
    return torch.tensor(taken)


def rotated_nms_loop(boxes: list[list[float]], scores: list[float], threshold: float) -> Tensor:
    """Indices of the kept boxes, by descending score."""
    left, kept = sorted(range(len(boxes)), key=lambda i: -scores[i]), []
    while left:
        kept.append(left[0])
        best = boxes[kept[-1]]
        left = [i for i in left[1:] if rotated_overlap(best, boxes[i]) < threshold]
    return torch.tensor(kept)


def rotated_overlap(a: list[float], b: list[float]) -> float:
    """IoU of two boxes centre x, y, width, height, angle: one cut by each side of the other."""

    def corners(box: list[float]) -> list[tuple[float, float]]:
        x, y, width, height, angle = box
        cosine, sine = math.cos(angle) / 2, math.sin(angle) / 2
        return [
            (x + i * width * cosine - j * height * sine, y + i * width * sine + j * height * cosine)
            for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]

    polygon, knife = corners(a), corners(b)
    for (x1, y1), (x2, y2) in zip(knife, knife[1:] + knife[:1], strict=True):
        sides = [(x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) for x, y in polygon]
        rest = []
        for i, (x, y) in enumerate(polygon):
            side, next_side = sides[i], sides[i + 1 - len(sides)]
            if side >= 0:
                rest.append((x, y))
            if (side >= 0) != (next_side >= 0):
                part = side / (side - next_side)
                next_x, next_y = polygon[i + 1 - len(polygon)]
                rest.append((x + part * (next_x - x), y + part * (next_y - y)))
        polygon = rest
    edges = zip(polygon[-1:] + polygon[:-1], polygon, strict=True)
    common = abs(sum(p[0] * q[1] - q[0] * p[1] for p, q in edges)) / 2
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def carafe_loop(features: Tensor, masks: Tensor, kernel: int, scale: int) -> Tensor:
    """CARAFE with one group, one input pixel (all channels) at a time."""
    _, channels, height, width = features.shape
    output = torch.zeros(1, channels, height * scale, width * scale)
    for y in range(height * scale):
        for x in range(width * scale):
            for k in range(kernel**2):
                row = y // scale + k // kernel - kernel // 2
                column = x // scale + k % kernel - kernel // 2
                if 0 <= row < height and 0 <= column < width:
                    output[0, :, y, x] += masks[0, k, y, x] * features[0, :, row, column]
    return output


def deform_attn_loop(
    values: Tensor,
    shapes: list[list[int]],
    starts: list[int],
    locations: Tensor,
    attention: Tensor,
) -> Tensor:
    """Deformable attention, one pixel (all channels of a head) at a time."""
    _, queries, heads, _, points, _ = locations.shape
    output = torch.zeros(1, queries, heads, values.shape[-1])
    for q in range(queries):
        for head in range(heads):
            for level, (height, width) in enumerate(shapes):
                for p in range(points):
                    x, y = locations[0, q, head, level, p].tolist()
                    x, y = x * width - 0.5, y * height - 0.5
                    for row in (math.floor(y), math.floor(y) + 1):
                        for column in (math.floor(x), math.floor(x) + 1):
                            if 0 <= row < height and 0 <= column < width:
                                pixel = values[0, starts[level] + row * width + column, head]
                                part = (1 - abs(y - row)) * (1 - abs(x - column))
                                output[0, q, head] += attention[0, q, head, level, p] * part * pixel
    return output.flatten(2)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def milliseconds(time: float) -> str:
    return f"{time:,.0f} ms" if time >= 100 else f"{time:.3g} ms"


def measured(comparison: Comparison, rounds: int) -> str:
    """A row of the table: medians of `rounds` runs of each side, in turn."""
    torch.testing.assert_close(comparison.ours(), comparison.other(), rtol=1e-3, atol=1e-3)
    times = [(seconds(comparison.ours), seconds(comparison.other)) for _ in range(rounds)]
    ours, other = (statistics.median(side) * 1000 for side in zip(*times, strict=True))
    cells = (
        comparison.operator,
        comparison.given,
        milliseconds(ours),
        comparison.other_way,
        milliseconds(other),
        f"{ours / other:.2f}" if ours > other / 2 else f"1 / {other / ours:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="runs of each side (default 7)")
    parser.add_argument("--threads", type=int, default=1, help="PyTorch's threads (default 1)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="page to put the table into")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    lines = [
        "| operator | input | through mmcv.ops | compared with | time | ratio |",
        "|---|---|---:|---|---:|---:|",
    ]
    print("\n".join(lines))
    for comparisons in (against_torchvision, against_loops):
        for comparison in comparisons():
            lines.append(measured(comparison, options.rounds))
            print(lines[-1], flush=True)
    if options.write:
        section = [
            "## Operators",
            "",
            "MMCV's operators of this package, called through `mmcv.ops`, compared with",
            "torchvision's called directly, or with a Python loop if torchvision has none.",
            "A ratio below 1 means faster.",
            "",
            *lines,
            "",
            f"Medians of {options.rounds} runs in turn, float32, torch threads: {options.threads}, "
            f"on a machine with {os.cpu_count()} cores, without GPU; PyTorch {torch.__version__}, "
            f"torchvision {torchvision.__version__}.",
            "",
            f"`python benchmarks/operators.py --write {options.write.as_posix()}`",
        ]
        put_section(options.write, "operators", section)


if __name__ == "__main__":
    main()
