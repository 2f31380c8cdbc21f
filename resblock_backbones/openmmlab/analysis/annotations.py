"""What MMDetection's and MMSegmentation's data sets hold, and what their pipelines make of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...analysis.ground_truth import GroundTruth
from ...data.images.reading import image_of
from ...options.errors import ConfigError
from ...prediction.run_lengths import mask_of


def annotations_of(
    info: Mapping[str, Any], mask_size: tuple[int, int] | None = None
) -> GroundTruth:
    """The objects of an image, as a data set has read them.

    Args:
        info: what `get_data_info` gives.
        mask_size: width and height of the image; None leaves masks out.
    """
    instances = [one for one in info.get("instances") or () if "bbox" in one]
    width, height = mask_size or (info.get("width", 0), info.get("height", 0))
    masks = None
    if mask_size is not None and instances and all("mask" in one for one in instances):
        masks = np.array([mask_of(one["mask"], height, width) for one in instances])
    return GroundTruth(
        name=Path(info["img_path"]).name,
        size=(width, height),
        boxes=np.array([one["bbox"] for one in instances], float).reshape(-1, 4),
        labels=np.array([one["bbox_label"] for one in instances], int),
        masks=masks,
        ignored=np.array([bool(one.get("ignore_flag")) for one in instances], bool),
    )


def packed_annotations(name: str, packed: Mapping[str, Any]) -> tuple[Image.Image, GroundTruth]:
    """An image and its annotations as they leave a training pipeline.

    Args:
        name: of the image.
        packed: what `PackDetInputs` or `PackSegInputs` returns.

    Raises:
        ConfigError: the pipeline returns something else.
    """
    sample = packed.get("data_samples")
    if sample is None or "inputs" not in packed:
        raise ConfigError(
            "train_dataloader.dataset.pipeline: does not end in PackDetInputs or PackSegInputs"
        )
    image = image_of(_pixels(packed["inputs"].numpy().transpose(1, 2, 0)))
    if "gt_sem_seg" in sample and "gt_instances" not in sample:
        label_map = sample.gt_sem_seg.data[0].numpy().astype(int)
        return image, GroundTruth(name, image.size, label_map=label_map)
    parts = [
        (getattr(sample, part), part == "ignored_instances")
        for part in ("gt_instances", "ignored_instances")
        if part in sample and "bboxes" in getattr(sample, part)
    ]
    boxes = [_corners(one.bboxes) for one, _ in parts] or [np.zeros((0, 4))]
    masks = [np.asarray(one.masks.to_ndarray(), bool) for one, _ in parts if "masks" in one]
    return image, GroundTruth(
        name,
        image.size,
        boxes=np.concatenate(boxes),
        labels=np.concatenate([one.labels.numpy() for one, _ in parts] or [np.zeros(0)]).astype(
            int
        ),
        masks=np.concatenate(masks) if parts and len(masks) == len(parts) else None,
        ignored=np.concatenate(
            [np.full(len(one.bboxes), ignored) for one, ignored in parts] or [np.zeros(0)]
        ).astype(bool),
    )


def _corners(boxes: Any) -> np.ndarray:
    """x1 y1 x2 y2, also of MMDetection's other kinds of boxes."""
    if hasattr(boxes, "convert_to") and type(boxes).__name__ != "HorizontalBoxes":
        boxes = boxes.convert_to("hbox")
    return np.asarray(getattr(boxes, "tensor", boxes), float).reshape(-1, 4)


def _pixels(pixels: np.ndarray) -> np.ndarray:
    """Pixels that a pipeline has normalised, stretched to 0 to 255 again."""
    if pixels.dtype == np.uint8 or (pixels.min() >= 0 and pixels.max() > 2):
        return pixels
    low, high = float(pixels.min()), float(pixels.max())
    return (pixels - low) * (255 / max(high - low, 1e-9))
