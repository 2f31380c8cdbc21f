"""Masks as COCO writes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.placed_masks import PlacedMasks


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """COCO's compressed run lengths of a mask `(H, W)`.

    >>> run_lengths(np.eye(2, dtype=bool))
    {'size': [2, 2], 'counts': '0120'}
    """
    from pycocotools import mask as coco_mask

    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}


def run_lengths_of(masks: np.ndarray | PlacedMasks, index: int) -> dict[str, Any]:
    """COCO's compressed run lengths of one of several masks.

    >>> masks = PlacedMasks([(0, 0, np.eye(2, dtype=bool))], size=(2, 3))
    >>> run_lengths_of(masks, 0), run_lengths(masks[0])
    ({'size': [2, 3], 'counts': '01200'}, {'size': [2, 3], 'counts': '01200'})
    """
    if isinstance(masks, np.ndarray):
        return run_lengths(masks[index])
    from pycocotools import mask as coco_mask

    top, left, part = masks.parts[index]
    height, width = masks.size
    columns, rows = np.nonzero(part.T)
    places = (left + columns) * height + top + rows  # column by column, as COCO counts
    begins = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    ends = np.append(begins[1:], len(places)) - 1
    turns = np.stack([places[begins], places[ends] + 1], 1).reshape(-1) if len(places) else places
    counts = np.diff(turns, prepend=0, append=height * width).tolist()
    given = {"size": [height, width], "counts": counts}
    encoded = coco_mask.frPyObjects(given, height, width)
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}


def area_of(masks: np.ndarray | PlacedMasks, index: int) -> int:
    """Pixels of one of several masks.

    >>> area_of(PlacedMasks([(0, 0, np.eye(2, dtype=bool))], size=(2, 3)), 0)
    2
    """
    return int((masks[index] if isinstance(masks, np.ndarray) else masks.parts[index][2]).sum())


def mask_of(segmentation: Any, height: int, width: int) -> np.ndarray:
    """COCO's polygons or run lengths as a mask `(H, W)`, bool.

    >>> mask_of([[0, 0, 2, 0, 2, 1, 0, 1]], 2, 3).tolist()
    [[True, True, False], [False, False, False]]
    """
    from pycocotools import mask as coco_mask

    if isinstance(segmentation, list) or isinstance(segmentation["counts"], list):
        segmentation = coco_mask.frPyObjects(segmentation, height, width)
    if isinstance(segmentation, list):  # the parts of one object
        segmentation = coco_mask.merge(segmentation)
    return coco_mask.decode(segmentation).astype(bool)
