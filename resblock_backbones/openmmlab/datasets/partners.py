"""Parts of a config against each other: evaluator and loader, train and val, masks and heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...data.errors import DatasetError
from ...data.images.shared import shared_images, told_of_shared
from ...data.split_classes import exchanged
from ...options.errors import ConfigError
from .coco_data import CheckedData
from .pipelines import pipelines_of, step_of


def check_evaluator(
    evaluators: Any, dataset: Any, loader: str, read: Callable[[Path], Any]
) -> None:
    """Check that an evaluator's annotation file has the images and classes of the loader's.

    Args:
        evaluators: one or several of a config.
        dataset: the loader's.
        loader: its key.
        read: reads an annotation file.

    Raises:
        DatasetError: the two files are not of the same images or categories.
    """
    if not isinstance(dataset, Mapping) or not dataset.get("ann_file"):
        return
    key = loader.replace("_dataloader", "_evaluator")
    own = Path(dataset.get("data_root") or "", dataset["ann_file"])
    for one in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        name = one.get("ann_file") if isinstance(one, Mapping) else None
        if not isinstance(name, str) or "://" in name or not name.endswith(".json"):
            continue
        if Path(name).resolve() == own.resolve():
            continue
        mine, theirs = read(own), read(Path(name))
        for part, field in (("images", "id"), ("images", "file_name"), ("categories", "name")):
            wanted, there = _values(mine, part, field), _values(theirs, part, field)
            if wanted - there:
                missing = sorted(map(repr, wanted - there))
                raise DatasetError(
                    f"{key}.ann_file: {name} is another file than that of {loader} ({own}) and "
                    f"has no {part} with {field} {', '.join(missing[:3])}: give both the same"
                )


def check_shared_images(result: CheckedData) -> None:
    """Warn of images that are both learnt from and measured on.

    Raises:
        DatasetError: the splits have other classes, or another order of them.
    """
    training = result.classes.get("train_dataloader")
    for loader, names in result.classes.items():
        if training and names and names != training:
            raise DatasetError(
                f"{loader}.dataset.metainfo.classes is {names}, that of train_dataloader "
                f"{training}: a label would mean another class"
            )
    learnt = [
        (key, images) for key, images in result.images.items() if key.startswith("train_dataloader")
    ]
    _warn_of_exchanged_classes(result)
    told = set()
    for key, images in result.images.items():
        for source, of_training in learnt:
            if key.startswith("train_dataloader") or frozenset(images) in told:
                continue
            pairs = shared_images(of_training, images)
            if pairs:
                told.add(frozenset(images))
                line = told_of_shared(pairs, len(images), source)
                result.warnings.append(f"{key}: {line}")


def _warn_of_exchanged_classes(result: CheckedData) -> None:
    """Label maps in which two splits seem to mean different classes by a number."""
    training = [key for key in result.pixels if key.startswith("train_dataloader")]
    others = [key for key in result.pixels if not key.startswith("train_dataloader")]
    for key in others:
        if len(training) == 1:
            pair = [result.pixels[one] for one in (training[0], key)]
            split = key.split("_dataloader")[0]
            first, second = (one.per_class for one in pair)
            line = exchanged(first, second, [one.images for one in pair], split)
            if line is not None:
                result.warnings.append(f"{key}: {line}")


def check_masks_are_loaded(cfg: Mapping[str, Any]) -> None:
    """Check that a model with a mask head is given masks.

    Raises:
        ConfigError: the training pipeline loads none.
    """
    head = ((cfg.get("model") or {}).get("roi_head") or {}).get("mask_head")
    pipelines = list(pipelines_of((cfg.get("train_dataloader") or {}).get("dataset")))
    loads = [step for one in pipelines if (step := step_of(one, "LoadAnnotations"))]
    if head and loads and not any(step.get("with_mask") for step in loads):
        raise ConfigError(
            "train_dataloader: the model has a mask head, and its pipeline loads no masks: "
            "dict(type='LoadAnnotations', with_bbox=True, with_mask=True)"
        )


def _values(content: Any, part: str, field: str) -> set[Any]:
    entries = content.get(part) if isinstance(content, Mapping) else None
    entries = entries if isinstance(entries, list) else []
    values = [one.get(field) for one in entries if isinstance(one, Mapping)]
    return {one for one in values if isinstance(one, int | float | str)}
