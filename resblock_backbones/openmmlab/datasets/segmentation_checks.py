"""Check the images and label maps of an MMSegmentation data set.

MMSegmentation takes whatever a folder holds: an empty or misspelt one is a data set of length 0,
and a label that the head has no class for fails deep inside the loss.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...data.errors import DatasetError
from ...data.images.facts import refuse_faults

#: How many label maps are read; all of them would take minutes.
SAMPLE = 16


def check_segmentation(built: type, dataset: Mapping[str, Any], key: str, classes: int) -> None:
    """Check that images and labels are there, whole, and within the number of classes.

    Args:
        built: the class of the data set.
        dataset: its config; its folders exist.
        key: where it stands in the config.
        classes: how many classes its labels count; 0 where that is not known.

    Raises:
        DatasetError: names the folder or the file.
    """
    root, prefix = Path(dataset.get("data_root") or ""), dataset.get("data_prefix") or {}
    images = root / prefix.get("img_path", "")
    labels = root / prefix["seg_map_path"] if prefix.get("seg_map_path") else None
    image_suffix = _option(built, dataset, "img_suffix", ".jpg")
    label_suffix = _option(built, dataset, "seg_map_suffix", ".png")
    names = _names(dataset, root, images, image_suffix)
    if not names:
        raise DatasetError(
            f"{key}.data_prefix.img_path: no file in {images} ends in {image_suffix!r}"
        )
    refuse_faults([images / f"{name}{image_suffix}" for name in names])
    if labels is None or dataset.get("test_mode"):
        return
    refuse_faults([labels / f"{name}{label_suffix}" for name in names])
    ignored = _option(built, dataset, "ignore_index", 255)
    shift = 1 if _option(built, dataset, "reduce_zero_label", False) else 0
    for name in names[:: max(1, len(names) // SAMPLE)]:
        file = labels / f"{name}{label_suffix}"
        with Image.open(file) as image:
            values = np.unique(np.asarray(image)) if image.mode in ("L", "P", "I") else []
        used = [int(value) for value in values if value not in (ignored, 255)]
        if classes and used and max(used) - shift >= classes:
            raise DatasetError(
                f"{file}: holds label {max(used)}, and {key} has {classes} classes "
                f"(labels {shift} to {classes - 1 + shift}, {ignored} is ignored)"
            )


def _names(dataset: Mapping[str, Any], root: Path, images: Path, suffix: str) -> list[str]:
    """Names of the images without suffix: from the list file, or what is in the folder."""
    if dataset.get("ann_file"):
        lines = (root / dataset["ann_file"]).read_text().splitlines()
        return [line.strip() for line in lines if line.strip()]
    found = sorted(images.rglob(f"*{suffix}"))
    return [str(path.relative_to(images))[: -len(suffix)] for path in found]


def _option(built: type, dataset: Mapping[str, Any], name: str, default: Any) -> Any:
    """An option of the data set: from the config, else the nearest class that has a default."""
    if name in dataset:
        return dataset[name]
    for owner in built.__mro__:
        if "__init__" in vars(owner):
            parameter = inspect.signature(owner).parameters.get(name)
            if parameter is not None and parameter.default is not parameter.empty:
                return parameter.default
    return default
