"""Annotations in COCO's JSON format (https://cocodataset.org/#format-data)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, list[int]]:
    """COCO's uncompressed run-length encoding of a mask.

    Args:
        mask: shape (H, W).

    Returns:
        ``size`` as [H, W] and ``counts``: lengths of the runs of equal pixels, read down the
        columns, the first one of pixels that are not set.

    Example:
        >>> run_lengths(np.array([[False, True], [False, True], [False, False]]))
        {'size': [3, 2], 'counts': [3, 2, 1]}
        >>> run_lengths(np.ones((2, 2), dtype=bool))
        {'size': [2, 2], 'counts': [0, 4]}
    """
    pixels = mask.ravel(order="F")
    ends = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    counts = np.diff(np.concatenate([[0], ends, [pixels.size]])).tolist()
    if pixels[0]:
        counts.insert(0, 0)
    height, width = mask.shape
    return {"size": [height, width], "counts": counts}


def annotation(
    mask: NDArray[np.bool_], *, annotation_id: int, image_id: int, category_id: int
) -> dict[str, Any]:
    """The annotation of one object, from the mask of its visible pixels.

    Args:
        mask: shape (H, W), at least one pixel set.
        annotation_id: unique within the file, from 1.
        image_id: the image it is in.
        category_id: its class.

    Returns:
        An entry of ``annotations``: box ``[x, y, width, height]`` and ``area`` in pixels.

    Example:
        >>> mask = np.zeros((6, 8), dtype=bool)
        >>> mask[1:4, 2:7] = True
        >>> entry = annotation(mask, annotation_id=1, image_id=1, category_id=1)
        >>> entry["bbox"], entry["area"]
        ([2, 1, 5, 3], 15)
    """
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    left, top = int(columns[0]), int(rows[0])
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        "area": int(mask.sum()),
        "iscrowd": 0,
        "segmentation": run_lengths(mask),
    }


def document(
    *,
    description: str,
    classes: Sequence[str],
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
) -> dict[str, Any]:
    """The whole file; category ids count from 1 in the order of ``classes``."""
    return {
        # No date, so that the file is reproducible.
        "info": {"description": description, "version": "1.0"},
        "licenses": [{"id": 1, "name": "Apache-2.0"}],
        "categories": [
            {"id": number, "name": name, "supercategory": "shape"}
            for number, name in enumerate(classes, start=1)
        ],
        "images": images,
        "annotations": annotations,
    }
