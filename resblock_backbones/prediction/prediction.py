"""What a model predicts for an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.placed_masks import PlacedMasks
from ..drawing.colours import Colour

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Prediction:
    """The prediction for an image.

    Attributes:
        boxes: `(N, 4)`, x1 y1 x2 y2 in pixels of the image; None with a segmentation model.
        labels: `(N,)`, class indices.
        scores: `(N,)`.
        masks: `(N, H, W)`, bool; None without masks. Of a large image they are `PlacedMasks`: one
            of them, or `numpy.asarray` of all, makes them whole.
        label_map: `(H, W)`, the class index of each pixel; None with a detector.
        pixel_scores: `(classes, H, W)`, of a slice with a label map; else None.
        classes: names by label; empty if unknown.
        palette: a colour for each class, RGB.

    Raises:
        ValueError: the arrays do not belong together.

    Example:
        >>> box = np.array([[1.0, 2.0, 5.0, 8.0]])
        >>> one = Prediction(box, np.array([0]), np.array([0.9]), classes=("ring",))
        >>> one.to_coco(image_id=7)[0]["bbox"], len(one)
        ([1.0, 2.0, 4.0, 6.0], 1)
    """

    boxes: np.ndarray | None = None
    labels: np.ndarray | None = None
    scores: np.ndarray | None = None
    masks: np.ndarray | PlacedMasks | None = None
    label_map: np.ndarray | None = None
    pixel_scores: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    palette: tuple[Colour, ...] = ()

    def __post_init__(self) -> None:
        objects = (self.boxes, self.labels, self.scores)
        if self.label_map is not None:
            if self.label_map.ndim != 2 or any(one is not None for one in (*objects, self.masks)):
                raise ValueError("label_map: must be (H, W), and there are no objects beside it")
            return
        if self.boxes is None or self.labels is None or self.scores is None:
            raise ValueError("a prediction has boxes, labels and scores, or a label_map")
        number = len(self.boxes)
        if self.boxes.shape != (number, 4):
            raise ValueError(f"boxes: must be (N, 4), these are {self.boxes.shape}")
        for name, value in (("labels", self.labels), ("scores", self.scores)):
            if value.shape != (number,):
                raise ValueError(f"{name}: must be ({number},) as boxes, these are {value.shape}")
        if self.masks is not None and (self.masks.ndim != 3 or len(self.masks) != number):
            raise ValueError(f"masks: must be ({number}, H, W), these are {self.masks.shape}")

    def __len__(self) -> int:
        """The number of objects; 0 with a segmentation model."""
        return 0 if self.boxes is None else len(self.boxes)

    def name_of(self, label: int) -> str:
        """The name of a class, its number where it has none."""
        return self.classes[label] if label < len(self.classes) else str(label)

    def to_coco(
        self, image_id: int, category_ids: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """The objects as COCO's results: `bbox` as x, y, width, height.

        Args:
            image_id: of the image.
            category_ids: by label; the label + 1 by default.
        """
        if self.boxes is None or self.labels is None or self.scores is None:
            raise ValueError("COCO's results are objects, and this is a label map")
        found = []
        for index, (x1, y1, x2, y2) in enumerate(self.boxes.tolist()):
            label = int(self.labels[index])
            one: dict[str, Any] = {
                "image_id": image_id,
                "category_id": label + 1 if category_ids is None else category_ids[label],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": float(self.scores[index]),
            }
            if self.masks is not None:
                from .run_lengths import run_lengths_of

                one["segmentation"] = run_lengths_of(self.masks, index)
            found.append(one)
        return found

    def to_supervision(self) -> Any:
        """The objects as supervision's `Detections`.

        Raises:
            ImportError: supervision is not installed.
            ValueError: this is a label map.
        """
        if self.boxes is None or self.labels is None:
            raise ValueError("supervision's Detections are objects, and this is a label map")
        from supervision import Detections

        names = [self.name_of(int(one)) for one in self.labels]
        return Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.labels,
            mask=None if self.masks is None else np.asarray(self.masks),
            data={"class_name": np.array(names)},
        )

    def reduced(self, factor: int) -> Prediction:
        """The prediction for the image scaled down by a factor.

        >>> box = np.array([[2.0, 4.0, 6.0, 8.0]])
        >>> Prediction(box, np.array([0]), np.array([0.9])).reduced(2).boxes.tolist()
        [[1.0, 2.0, 3.0, 4.0]]
        """
        masks, label_map = self.masks, self.label_map
        if isinstance(masks, np.ndarray):
            masks = masks[:, ::factor, ::factor]
        elif masks is not None:
            masks = masks.reduced(factor)
        return replace(
            self,
            boxes=None if self.boxes is None else self.boxes / factor,
            masks=masks,
            label_map=None if label_map is None else label_map[::factor, ::factor],
            pixel_scores=None,
        )

    def draw(self, image: Image.Image | np.ndarray) -> Image.Image:
        """A copy of the image, RGB, with the prediction drawn over it."""
        from PIL import Image as Images

        from ..drawing.annotated import draw_annotated
        from ..drawing.colours import palette_of
        from ..drawing.label_maps import legend_width

        given = Images.fromarray(image) if isinstance(image, np.ndarray) else image
        colours = palette_of(self.palette, len(self.classes))
        legend = legend_width(list(self.classes))
        return draw_annotated(
            given.convert("RGB"),
            self,
            self.name_of,
            lambda label: colours[label % len(colours)],
            legend=legend,
        )
