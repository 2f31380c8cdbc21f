"""Predictions as files: COCO JSON of objects, PNG label maps."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..data.annotations.json_files import read_json
from ..files.whole import write_whole
from .prediction import Prediction
from .run_lengths import area_of, run_lengths_of


class CocoPredictions:
    """Predictions in COCO's format: `images`, `categories`, and `annotations` with a `score`.

    Category ids are those of the config's annotation file if it exists, else COCO's for COCO's
    classes, else the label + 1. Images that are in the annotation file keep their ids, so that
    pycocotools' `loadRes(predictions["annotations"])` can evaluate them.

    Args:
        classes: names by label.
        dataset: of the config, with `ann_file`, `data_root` and `data_prefix`.

    Raises:
        DatasetError: the annotation file exists and is not JSON.
    """

    def __init__(self, classes: Sequence[str], dataset: Mapping[str, Any]) -> None:
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        known = _read_annotations(dataset)
        self._ids = _image_ids(known, dataset)
        self._next = 1 + max(self._ids.values(), default=0)
        ids = {one["name"]: one["id"] for one in known.get("categories", [])}
        if not set(classes) <= ids.keys():
            ids = _coco_ids()
        if not set(classes) <= ids.keys():
            ids = {name: label + 1 for label, name in enumerate(classes)}
        self.categories = [{"id": ids[name], "name": name} for name in classes]

    def add(self, file: Path, size: tuple[int, int], prediction: Prediction, **more: Any) -> None:
        """Add the prediction for an image.

        Args:
            file: the image, or the video.
            size: width and height of the image, in pixels.
            prediction: for this image.
            more: further entries of the image, such as `frame_id`.
        """
        image_id = None if more else self._ids.get(file.resolve())
        if image_id is None:
            image_id, self._next = self._next, self._next + 1
        image = {"id": image_id, "file_name": str(file), "width": size[0], "height": size[1]}
        self.images.append(image | more)
        boxes, labels, scores = prediction.boxes, prediction.labels, prediction.scores
        assert boxes is not None and labels is not None and scores is not None
        for index, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            one = {
                "id": len(self.annotations) + 1,
                "image_id": image_id,
                "category_id": self._category(int(labels[index])),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "score": float(scores[index]),
                "iscrowd": 0,
            }
            if prediction.masks is not None:
                one["segmentation"] = run_lengths_of(prediction.masks, index)
                one["area"] = area_of(prediction.masks, index)
            self.annotations.append(one)

    def write(self, file: Path) -> None:
        """Write all as one JSON file."""
        # Without names there are still categories: pycocotools looks each annotation's up.
        used = sorted({one["category_id"] for one in self.annotations})
        unnamed = [{"id": number, "name": str(number - 1)} for number in used]
        contents = {
            "images": self.images,
            "categories": self.categories or unnamed,
            "annotations": self.annotations,
        }
        write_whole(file, json.dumps(contents).encode())

    def _category(self, label: int) -> int:
        return self.categories[label]["id"] if label < len(self.categories) else label + 1


def _coco_ids() -> dict[str, int]:
    """COCO's ids of its classes; none without torchvision, whose weights tell them."""
    if importlib.util.find_spec("torchvision") is None:
        return {}
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

    names = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return {name: number for number, name in enumerate(names)}


def write_label_map(label_map: np.ndarray, file: Path) -> None:
    """Write the class index of each pixel as a grey PNG, with 8 bits if they suffice, else 16."""
    kind = np.uint8 if label_map.max(initial=0) < 256 else np.uint16
    write_png(Image.fromarray(label_map.astype(kind)), file)


def write_png(image: Image.Image, file: Path) -> None:
    """Write a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    write_whole(file, buffer.getvalue())


def _annotation_file(dataset: Mapping[str, Any]) -> Path | None:
    name = dataset.get("ann_file")
    if not isinstance(name, str) or not name.endswith(".json"):
        return None
    return Path(dataset.get("data_root") or "", name)


def _read_annotations(dataset: Mapping[str, Any]) -> dict[str, Any]:
    file = _annotation_file(dataset)
    if file is None or not file.is_file():
        return {}
    known = read_json(file)
    return known if isinstance(known, dict) else {}


def _image_ids(known: Mapping[str, Any], dataset: Mapping[str, Any]) -> dict[Path, int]:
    prefix = dataset.get("data_prefix") or {}
    folder = Path(dataset.get("data_root") or "", prefix.get("img") or prefix.get("img_path") or "")
    return {(folder / one["file_name"]).resolve(): one["id"] for one in known.get("images", [])}
