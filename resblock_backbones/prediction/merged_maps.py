"""The label map of an image from those of its slices."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from .merged_objects import Window
from .prediction import Prediction

#: Bytes for the scores of a row of slices; of wider images it is computed in several columns.
ROW_BYTES = 2**29

Answers = Iterable[tuple[Window, Prediction]]


def map_of_scores(
    predicted: Callable[[Sequence[Window]], Answers],
    windows: Sequence[Window],
    shape: tuple[int, int],
    classes: int,
    *,
    row_bytes: int = ROW_BYTES,
) -> np.ndarray:
    """The class with the highest mean score over all slices that a pixel lies in.

    Args:
        predicted: gives the slices that it is asked for, with scores `(classes, h, w)` of pixels.
        windows: all slices, row by row.
        shape: height and width of the image.
        classes: number of them.
        row_bytes: at most as many for scores; slices at the seam of two columns are asked twice.

    Returns:
        `(H, W)`.
    """
    label_map = np.empty(shape, _kind(classes))
    height = windows[0].height
    width = max(windows[0].width, row_bytes // (4 * classes * height))
    tops = sorted({one.top for one in windows})
    for begin in range(0, shape[1], width):
        end = min(begin + width, shape[1])
        asked = [one for one in windows if one.left < end and one.right > begin]
        # Sums do: a pixel's class is that of the highest mean, and all have one number of slices.
        sums = np.zeros((classes, height, end - begin), np.float32)
        for top, answered in itertools.groupby(predicted(asked), key=lambda one: one[0].top):
            for window, one in answered:
                scores = one.pixel_scores
                assert scores is not None
                first, last = max(window.left, begin), min(window.right, end)
                inside = scores[:, :, first - window.left : last - window.left]
                sums[:, :, first - begin : last - begin] += inside
            later = [one for one in tops if one > top]
            done = (later[0] if later else shape[0]) - top
            label_map[top : top + done, begin:end] = sums[:, :done].argmax(0)
            for plane in sums:  # what the next row of slices adds to comes up
                plane[: height - done] = plane[done:].copy()
                plane[height - done :] = 0
    return label_map


def map_of_labels(
    answers: Answers, windows: Sequence[Window], shape: tuple[int, int]
) -> np.ndarray:
    """Labels of slices without scores: what two share is cut in the middle.

    Args:
        answers: all slices, with label maps.
        windows: the slices.
        shape: height and width of the image.

    Returns:
        `(H, W)`.
    """
    label_map = np.empty(shape, np.uint16)
    rows = _owned([(one.top, one.bottom) for one in windows])
    columns = _owned([(one.left, one.right) for one in windows])
    for window, one in answers:
        assert one.label_map is not None
        top, bottom = rows[window.top]
        left, right = columns[window.left]
        label_map[top:bottom, left:right] = one.label_map[
            top - window.top : bottom - window.top, left - window.left : right - window.left
        ]
    return label_map


def _owned(spans: Sequence[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Of each span, by its begin, the part that is nearer to it than to its neighbours."""
    ordered = sorted(set(spans))
    between = [(one[1] + other[0]) // 2 for one, other in zip(ordered, ordered[1:], strict=False)]
    begins, ends = [ordered[0][0], *between], [*between, ordered[-1][1]]
    return {span[0]: (begin, end) for span, begin, end in zip(ordered, begins, ends, strict=True)}


def _kind(classes: int) -> type[np.unsignedinteger]:
    return np.uint8 if classes <= 256 else np.uint16
