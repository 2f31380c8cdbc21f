"""Annotations of any format, written once as COCO JSON or as lists of label maps, with splits."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from ...files.whole import whole_file, write_whole
from ..annotations.json_files import write_json
from ..annotations.masks import outline
from ..errors import DatasetError
from ..findings import Findings
from ..images.reading import opened_image
from ..label_maps import check_label_maps
from .colours import Colours, numbers_in
from .dataset import AnnotatedImage, AnnotatedImages
from .mask_folder import MaskFolder

#: Of the images of a folder without a split, this share is measured on.
VAL_SHARE = 0.2

T = TypeVar("T")


@dataclass(frozen=True)
class Written:
    """A data set on disk in a form that configs name.

    Attributes:
        kind: ``objects``: COCO JSON; ``label maps``: lists of names.
        format: that it was read from.
        classes: names in the order of the labels.
        root: the folder that paths begin from.
        files: split -> annotation file, or list of names.
        images: split -> number of images.
        counts: class -> objects, or pixels, in the training split.
        sizes: sides of the training objects' boxes, shape (N, 2), width and height.
        image_sizes: of all images, (width, height).
        suffixes: of images and label maps, for lists of names.
        folders: of images and label maps below the root, for lists of names.
        has_masks: every object has a mask.
        notes: what was chosen or dropped, for people.
    """

    kind: str
    format: str
    classes: list[str]
    root: Path
    files: dict[str, Path]
    images: dict[str, int]
    counts: dict[str, int]
    sizes: np.ndarray
    image_sizes: list[tuple[int, int]]
    suffixes: tuple[str, str] = ("", "")
    folders: tuple[str, str] = ("", "")
    has_masks: bool = False
    notes: list[str] = field(default_factory=list)


def write_objects(data: AnnotatedImages, out: Path, *, seed: int = 0) -> Written:
    """Write annotations as one COCO file a split; the images stay where they are.

    Args:
        data: without errors.
        out: the folder for the JSON.
        seed: of the split, where the format tells none.

    Raises:
        DatasetError: nothing is there to learn from.
    """
    data.findings.refuse_errors()
    if not any(image.objects for image in data.images):
        what = "object" if data.images else "image"
        lost = "; ".join(f"left out: {count} {why}" for why, count in data.dropped.most_common(2))
        told = f"{data.format} without an {what}"
        raise DatasetError(f"{data.findings.source}: {told}{f' ({lost})' if lost else ''}")
    named = [(image, image.split) for image in data.images]
    check_splits([split for _, split in named], data.findings)
    data.findings.refuse_errors()
    splits, notes = split_items(named, seed=seed)
    # Links are not followed: what they point at may have other names.
    root = Path(os.path.commonpath([image.file.parent.absolute() for image in data.images]))
    files = {}
    for split, images in splits.items():
        files[split] = out / f"{split}.json"
        content = coco_content(images, data.classes, root)
        write_json(files[split], content)
    objects = [one for image in splits["train"] for one in image.objects if not one.crowd]
    counts = Counter(one.name for one in objects)
    notes += [f"left out: {count} {reason}" for reason, count in data.dropped.most_common()]
    return Written(
        kind="objects",
        format=data.format,
        classes=data.classes,
        root=root,
        files=files,
        images={split: len(images) for split, images in splits.items()},
        counts={name: counts[name] for name in data.classes},
        sizes=np.array([one.box[2:] for one in objects], float).reshape(-1, 2),
        image_sizes=[(image.width, image.height) for image in data.images],
        has_masks=data.has_masks,
        notes=notes,
    )


def write_label_maps(data: MaskFolder, out: Path, *, seed: int = 0) -> Written:
    """Write a list of names a split; label maps of 0 and 255 are rewritten with 0 and 1.

    Args:
        data: a folder of images and label maps.
        out: the folder for lists, and for label maps that are written anew.
        seed: of the split, where the folders tell none.

    Raises:
        DatasetError: a label map or an image is broken.
    """
    _refuse_broken_maps(data)
    check_splits([split for _, _, split in data.pairs], data.findings)
    data.findings.refuse_errors()
    splits, notes = split_items([((i, m), split) for i, m, split in data.pairs], seed=seed)
    images = [image for image, _, _ in data.pairs]
    suffixes = {image.suffix for image in images}
    # MMSegmentation adds one suffix to all names of a list: where there are several, none.
    suffix = suffixes.pop() if len(suffixes) == 1 else ""
    image_root = Path(os.path.commonpath([image.parent.absolute() for image in images]))

    def name_of(image: Path) -> str:
        return image.absolute().relative_to(image_root).as_posix().removesuffix(suffix)

    label_root = out.resolve() / "labels"
    for image, labels, _ in data.pairs:
        # Under the name of its image, so that one list names both.
        target = label_root / f"{name_of(image)}.png"
        _write_label_map(labels, target, binary=data.binary, colours=data.colours.get(labels))
    if data.colours:
        notes.append("label maps of colours: rewritten with the numbers of labelmap.txt")
    if data.binary:
        notes.append("label maps of 0 and 255: rewritten with 0 and 1")
    if data.unpaired:
        notes.append(f"left out: {len(data.unpaired)} label maps without an image")
    if data.without_map:
        notes.append(f"left out: {len(data.without_map)} images without a label map")
    files = {}
    for split, pairs in splits.items():
        files[split] = out.resolve() / f"{split}.txt"
        names = [name_of(image) for image, _ in pairs]
        write_whole(files[split], "".join(f"{name}\n" for name in names).encode())
    pixels: Counter[int] = Counter()
    for _, labels in splits["train"]:
        pixels.update(data.facts[labels].labels or {})
    values = [255 if data.binary and label == 1 else label for label in range(len(data.classes))]
    sizes = [(one.width, one.height) for one in data.facts.values()]
    return Written(
        kind="label maps",
        format="label maps",
        classes=data.classes,
        root=image_root,
        files=files,
        images={split: len(pairs) for split, pairs in splits.items()},
        counts={name: pixels[value] for name, value in zip(data.classes, values, strict=True)},
        sizes=np.zeros((0, 2)),
        image_sizes=sizes,
        suffixes=(suffix, ".png"),
        folders=(str(image_root), str(label_root)),
        notes=notes,
    )


def split_items(
    items: Sequence[tuple[T, str | None]], *, seed: int
) -> tuple[dict[str, list[T]], list[str]]:
    """The items of each split; `val` is drawn where there is none.

    >>> splits, _ = split_items([(number, None) for number in range(10)], seed=0)
    >>> sorted(splits["train"] + splits["val"]) == list(range(10)), len(splits["val"])
    (True, 2)
    """
    splits: dict[str, list[T]] = {}
    for item, split in items:
        splits.setdefault(split or "train", []).append(item)
    notes = []
    without = sum(split is None for _, split in items)
    if 0 < without < len(items):
        notes.append(f"{without} images of no split: taken for training")
    if "train" not in splits:
        raise DatasetError(f"no images to train on, only of {', '.join(splits)}")
    if "val" not in splits and "test" in splits:
        splits["val"] = splits["test"]
        notes.append("no images of val: those of test are measured on")
    if "val" not in splits:
        shuffled = splits["train"].copy()
        random.Random(seed).shuffle(shuffled)
        count = max(1, round(VAL_SHARE * len(shuffled)))
        if len(shuffled) < 2:
            raise DatasetError("one image is too few to train on and to measure on")
        chosen = {id(one) for one in shuffled[:count]}
        splits["val"] = [one for one in splits["train"] if id(one) in chosen]
        splits["train"] = [one for one in splits["train"] if id(one) not in chosen]
        notes.append(f"no split: {count} of {len(shuffled)} images drawn for val, seed {seed}")
    return splits, notes


def check_splits(splits: Sequence[str | None], findings: Findings) -> None:
    """Find splits that leave nothing to train on."""
    if not splits:
        return  # told by those who look for images
    try:
        split_items([(split, split) for split in splits], seed=0)
    except DatasetError as error:
        findings.error("splits", "", str(error))


def coco_content(
    images: Sequence[AnnotatedImage], classes: Sequence[str], root: Path
) -> dict[str, Any]:
    """The content of a COCO file; category ids count from 1 in the order of `classes`."""
    ids = {name: number for number, name in enumerate(classes, start=1)}
    content: dict[str, Any] = {
        "images": [],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
        "annotations": [],
    }
    for image_id, image in enumerate(images, start=1):
        content["images"].append(
            {
                "id": image_id,
                "file_name": image.file.absolute().relative_to(root).as_posix(),
                "width": image.width,
                "height": image.height,
            }
        )
        for one in image.objects:
            area = one.box[2] * one.box[3]
            entry = {
                "id": len(content["annotations"]) + 1,
                "image_id": image_id,
                "category_id": ids[one.name],
                "bbox": [round(float(value), 3) for value in one.box],
                "area": area,
                "iscrowd": int(one.crowd),
            }
            if one.mask is not None:
                found = outline(one.mask)
                entry["area"] = found.area if found is not None and found.area else area
                entry["segmentation"] = one.mask
            content["annotations"].append(entry)
    return content


def _refuse_broken_maps(data: MaskFolder) -> None:
    findings = Findings(data.findings.source)
    findings.include(data.findings)
    pairs = [(image, labels) for image, labels, _ in data.pairs]
    check_label_maps(pairs, data.rules, findings, data.facts)
    if data.binary:
        findings.discard("0 and 255")
    findings.refuse_errors()


def _write_label_map(
    source: Path, target: Path, *, binary: bool, colours: Colours | None = None
) -> None:
    if colours is not None:
        labels = numbers_in(source, colours)
    else:
        with opened_image(source) as image:
            labels = np.asarray(image).astype(np.uint8)
    if binary:
        labels = (labels == 255).astype(np.uint8)
    with whole_file(target) as opened:
        Image.fromarray(labels).save(opened, format="PNG")
