"""Masks of objects in large images: of each only the part around its object is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np


class PlacedMasks(Sequence[np.ndarray]):
    """Masks `(N, H, W)`, bool, as parts of some pixels; each is made whole when it is asked for.

    Args:
        parts: top and left of each part in the image, and the part, `(h, w)`, bool.
        size: height and width of the image.

    Example:
        >>> masks = PlacedMasks([(2, 1, np.ones((1, 2), bool))], size=(4, 5))
        >>> masks.shape, int(masks[0].sum()), masks[0][2].tolist()
        ((1, 4, 5), 2, [False, True, True, False, False])
    """

    dtype = np.dtype(bool)
    ndim = 3

    def __init__(self, parts: Sequence[tuple[int, int, np.ndarray]], size: tuple[int, int]) -> None:
        self.parts, self.size = list(parts), size

    @classmethod
    def of(
        cls, masks: np.ndarray | PlacedMasks, top: int, left: int, size: tuple[int, int]
    ) -> PlacedMasks:
        """The masks of a region, placed into its image."""
        parts = masks.parts if isinstance(masks, PlacedMasks) else [_cut(one) for one in masks]
        return cls([(top + one, left + other, part) for one, other, part in parts], size)

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, H and W."""
        return (len(self.parts), *self.size)

    def __len__(self) -> int:
        return len(self.parts)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> PlacedMasks: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | PlacedMasks:
        if isinstance(index, slice):
            return PlacedMasks(self.parts[index], self.size)
        whole = np.zeros(self.size, bool)
        top, left, part = self.parts[index]
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part
        return whole

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array([*self] or np.zeros(self.shape, bool), dtype or bool)

    def taken(self, indices: Sequence[int]) -> PlacedMasks:
        """Some of them, in another order."""
        return PlacedMasks([self.parts[index] for index in indices], self.size)

    def joined(self, indices: Sequence[int]) -> tuple[int, int, np.ndarray]:
        """The part of one mask for what several masks cover."""
        parts = [self.parts[index] for index in indices]
        top, left = min(one[0] for one in parts), min(one[1] for one in parts)
        bottom = max(above + part.shape[0] for above, _, part in parts)
        right = max(before + part.shape[1] for _, before, part in parts)
        whole = np.zeros((bottom - top, right - left), bool)
        for above, before, part in parts:
            rows, columns = slice(above - top, None), slice(before - left, None)
            whole[rows, columns][: part.shape[0], : part.shape[1]] |= part
        return top, left, whole

    def reduced(self, factor: int) -> PlacedMasks:
        """The masks of every so many-th row and column."""
        parts = []
        for top, left, part in self.parts:
            rows, columns = -top % factor, -left % factor
            parts.append(
                (-(-top // factor), -(-left // factor), part[rows::factor, columns::factor])
            )
        return PlacedMasks(parts, (-(-self.size[0] // factor), -(-self.size[1] // factor)))


def _cut(mask: np.ndarray) -> tuple[int, int, np.ndarray]:
    """The part of a mask with all that it covers."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return 0, 0, np.zeros((0, 0), bool)
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return int(rows[0]), int(columns[0]), np.array(part, bool)
