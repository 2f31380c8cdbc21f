"""What an image is annotated with, in a form that can be drawn and counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class GroundTruth:
    """The annotations of an image: objects, or a label map.

    Attributes:
        name: of the image, for people.
        size: width and height, in pixels.
        boxes: ``(N, 4)``, x1 y1 x2 y2 in pixels; None with a label map.
        labels: ``(N,)``, class indices.
        masks: ``(N, H, W)``, bool, or None.
        label_map: ``(H, W)``, class indices.
        ignored: ``(N,)``, bool: regions that are neither learnt nor counted.
    """

    name: str
    size: tuple[int, int]
    boxes: np.ndarray | None = None
    labels: np.ndarray | None = None
    masks: np.ndarray | None = None
    label_map: np.ndarray | None = None
    ignored: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def scores(self) -> None:
        """Annotations have none."""
        return None

    @property
    def learnt(self) -> tuple[np.ndarray, np.ndarray]:
        """Boxes and labels of the objects that are not ignored.

        >>> none = GroundTruth("a.jpg", (8, 8), np.zeros((0, 4)), np.zeros(0, int))
        >>> [one.shape for one in none.learnt]
        [(0, 4), (0,)]
        """
        if self.boxes is None or self.labels is None:
            return np.zeros((0, 4)), np.zeros(0, int)
        kept = ~self.ignored if len(self.ignored) else np.ones(len(self.boxes), bool)
        return self.boxes[kept], self.labels[kept]
