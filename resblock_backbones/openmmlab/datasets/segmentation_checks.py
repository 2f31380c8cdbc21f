"""Check the images and label maps of an MMSegmentation data set.

MMSegmentation takes whatever a folder holds: an empty or misspelt one is a data set of length 0,
and a label that the head has no class for fails deep inside the loss.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...data.annotations.usage import check_usage
from ...data.errors import DatasetError
from ...data.findings import Findings
from ...data.label_maps import LabelRules, check_label_maps
from ...options.errors import ConfigError
from .coco_data import CheckedData, Purpose
from .images import loader_of
from .pipelines import kind_of, step_of, steps_of

#: Steps after which all images have one size.
CROPS = ("RandomCrop", "CenterCrop", "Pad", "RandomResizedCrop")


def check_segmentation(
    built: type,
    dataset: Mapping[str, Any],
    classes: tuple[str, ...],
    purpose: Purpose,
    result: CheckedData,
) -> set[tuple[int, int]]:
    """Check that images and labels are there, whole, of one size, and within the classes.

    Args:
        built: the class of the data set.
        dataset: its config; its folders exist.
        classes: that are learnt.
        purpose: what it is for.
        result: receives tables and warnings.

    Returns:
        The sizes (height, width) of the images.

    Raises:
        DatasetError: names the folder or the file.
    """
    root, prefix = Path(dataset.get("data_root") or ""), dataset.get("data_prefix") or {}
    images = root / (prefix.get("img_path") or "")
    labels = root / prefix["seg_map_path"] if prefix.get("seg_map_path") else None
    image_suffix = _option(built, dataset, "img_suffix", ".jpg")
    label_suffix = _option(built, dataset, "seg_map_suffix", ".png")
    names = _names(dataset, root, images, image_suffix)
    if not names:
        raise DatasetError(
            f"{purpose.key}.data_prefix.img_path: no file in {images} ends in {image_suffix!r}"
            + _other_suffixes(images)
        )
    needed = labels is not None and (purpose.training or purpose.compared)
    pairs = [
        (images / f"{name}{image_suffix}", labels / f"{name}{label_suffix}" if needed else None)  # type: ignore[operator]
        for name in names
    ]
    load = step_of(dataset.get("pipeline"), "LoadAnnotations")
    # Where the config picks some of the classes, the labels on disk count the others too.
    rules = LabelRules(
        names=tuple(getattr(built, "METAINFO", {}).get("classes") or classes),
        classes=classes,
        ignore_index=_option(built, dataset, "ignore_index", 255),
        reduce_zero_label=bool(_option(built, dataset, "reduce_zero_label", False)),
        backend=load.get("imdecode_backend") or "pillow",
        loader=loader_of(dataset.get("pipeline") or []),
    )
    given = load.get("reduce_zero_label")
    if given is not None and bool(given) != rules.reduce_zero_label:
        raise ConfigError(
            f"{purpose.key}: its pipeline has LoadAnnotations(reduce_zero_label={given}), and the "
            f"data set has {rules.reduce_zero_label}: write reduce_zero_label in the data set alone"
        )
    findings = Findings(purpose.key)
    usage, sizes = check_label_maps(pairs, rules, findings)
    if result.has_errors(findings):
        return sizes
    if needed:
        check_usage(usage, findings, training=purpose.training, title="label maps")
        if result.has_errors(findings):
            return sizes
        result.pixels[purpose.key] = usage
    result.tables.append(usage.table(purpose.key))
    result.warnings += [one.line for one in findings.of("warning")]
    result.images[purpose.key] = {image.resolve() for image, _ in pairs}
    return sizes


def check_batches(
    loader: Mapping[str, Any], model: Mapping[str, Any], sizes: set[tuple[int, int]], key: str
) -> None:
    """Check that images of several sizes can be made one batch.

    Args:
        loader: of the config.
        model: likewise.
        sizes: of the images, (height, width).
        key: where the loader stands.

    Raises:
        ConfigError: they cannot; says what to add.
    """
    prepares = model.get("data_preprocessor") or {}
    of_test = prepares.get("test_cfg") or {}
    training = key == "train_dataloader"
    pads = prepares if training else of_test
    if len(sizes) < 2 or loader.get("batch_size", 1) < 2:
        return
    if pads.get("size") or pads.get("size_divisor"):
        return
    steps = list(steps_of((loader.get("dataset") or {}).get("pipeline")))
    resized = any(kind_of(one) == "Resize" and not one.get("keep_ratio") for one in steps)
    if resized or any(kind_of(one) in CROPS for one in steps):
        return
    first, second = (f"{width}x{height}" for height, width in sorted(sizes)[:2])
    cure = (
        "add dict(type='RandomCrop', crop_size=(512, 512)) to its pipeline and size=(512, 512) "
        "to model.data_preprocessor"
        if training
        else "write batch_size=1"
    )
    raise ConfigError(
        f"{key}: images of {len(sizes)} sizes ({first}, {second}, ...) cannot be made batches of "
        f"{loader['batch_size']}: {cure}"
    )


def _names(dataset: Mapping[str, Any], root: Path, images: Path, suffix: str) -> list[str]:
    """Names of the images without suffix: from the list file, or what is in the folder."""
    if dataset.get("ann_file"):
        lines = (root / dataset["ann_file"]).read_text(encoding="utf-8-sig").splitlines()
        return [line.strip() for line in lines if line.strip()]
    found = sorted(images.rglob(f"*{suffix}"))
    return [str(path.relative_to(images))[: -len(suffix)] for path in found]


def _other_suffixes(images: Path) -> str:
    there = sorted({one.suffix for one in images.rglob("*") if one.is_file() and one.suffix})
    return f"; there are files in {', '.join(there[:5])}: img_suffix says which" if there else ""


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
