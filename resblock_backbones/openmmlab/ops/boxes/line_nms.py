"""Suppression of lane lines that lie close to each other (CLRNet, arXiv 2203.10350)."""

import torch
from torch import Tensor

from ..kernel import in_working_dtype
from .suppression import by_descending_score, suppress

# Columns of a line that are read: where it starts, from 0 at the first strip of the image to 1 at
# the last; its length in strips; and, from here on, its x on every strip.
START, LENGTH, X = 2, 4, 5

# Lines that are compared with all others at once: 40 MiB for 1,000 lines of 72 strips.
LINES_AT_ONCE = 128


def line_nms_forward(
    boxes: Tensor, scores: Tensor, thresh: float, top_k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Keep the best line, drop those nearer to it than `thresh` on average, and so on.

    Args:
        boxes: (N, 5 + strips) lines.
        scores: (N,).
        thresh: in the unit of x; two lines are compared on the strips that both lie on.
        top_k: maximum number of lines to keep.

    Returns:
        (N,) int64 indices of the kept lines by descending score, then zeros; () int64 how many are
        kept; (N,) int64 for each line the number, from 1, of the last kept line that it is or lies
        close to, 0 if there is none.
    """
    (lines,) = in_working_dtype(boxes)
    order = by_descending_score(scores)
    better, worse = are_close(lines[order], thresh).triu(diagonal=1).nonzero().unbind(1)
    groups = suppress(better, worse, len(lines))[:top_k]

    kept = torch.tensor([group[0] for group in groups], dtype=torch.long, device=boxes.device)
    keep = torch.zeros_like(order)
    keep[: len(kept)] = order[kept]
    number = torch.zeros_like(order)
    number[kept] = torch.arange(1, len(kept) + 1, device=boxes.device)
    parent = torch.zeros_like(order)
    parent[order] = number.scatter_reduce(0, worse, number[better], "amax")
    return keep, torch.tensor(len(kept), device=boxes.device), parent


def are_close(lines: Tensor, threshold: float) -> Tensor:
    """(N, N) whether two lines lie closer to each other than `threshold`."""
    x = lines[:, X:]
    strip = torch.arange(x.shape[1], device=x.device)
    first = (lines[:, START] * (len(strip) - 1) + 0.5).long()
    last = (first + lines[:, LENGTH].long() - 1).clamp(max=len(strip) - 1)
    parts = []
    for part in torch.arange(len(lines), device=x.device).split(LINES_AT_ONCE):
        start = torch.maximum(first[part, None], first)
        end = torch.minimum(last[part, None], last)
        on_both = (strip >= start[..., None]) & (strip <= end[..., None])
        distance = torch.where(on_both, (x[part, None] - x).abs(), 0).sum(-1)
        parts.append(distance < threshold * (end - start + 1))
        parts[-1] &= (end >= start) & (start >= 0)
    return torch.cat(parts)
