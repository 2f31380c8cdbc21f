"""Masks as COCO writes them."""

from __future__ import annotations

from typing import Any

import numpy as np


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """COCO's compressed run lengths of a mask `(H, W)`.

    >>> run_lengths(np.eye(2, dtype=bool))
    {'size': [2, 2], 'counts': '0120'}
    """
    from pycocotools import mask as coco_mask

    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}


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
