"""Images with objects, whatever format they were annotated in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..annotations.box_patterns import told_of_boxes
from ..annotations.json_files import read_text
from ..annotations.names import name_fault, names_alike
from ..findings import Findings
from ..image_files import SUFFIXES
from ..images.facts import ImageFacts, look_at
from ..split_classes import never_learnt


@dataclass
class ObjectOf:
    """An object in an image.

    Attributes:
        name: of its class.
        box: x, y, width, height in pixels.
        mask: COCO's polygons or run lengths; None where there is only a box.
        crowd: a region of many that are not told apart.
    """

    name: str
    box: tuple[float, float, float, float]
    mask: Any = None
    crowd: bool = False


@dataclass
class AnnotatedImage:
    """An image and its objects.

    Attributes:
        file: of the image.
        width, height: as it is loaded, upright.
        objects: in it; may be none.
        split: ``train``, ``val`` or ``test``; None where the format tells none.
    """

    file: Path
    width: int
    height: int
    objects: list[ObjectOf]
    split: str | None = None


@dataclass
class AnnotatedImages:
    """What a folder of annotations holds.

    Attributes:
        format: of the annotations, for people.
        classes: names in the order of the format, or of the alphabet where it has none.
        images: all of them.
        findings: what is wrong.
        dropped: reason -> how many things were not taken over.
    """

    format: str
    classes: list[str]
    images: list[AnnotatedImage]
    findings: Findings
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def has_masks(self) -> bool:
        """Whether every object has a mask."""
        objects = [one for image in self.images for one in image.objects]
        return bool(objects) and all(one.mask is not None for one in objects)


def check_objects(data: AnnotatedImages) -> None:
    """Check what all formats have: boxes with an extent, in their image, of classes with names.

    Args:
        data: as a reader gave it; receives the findings. Classes of objects that its format does
            not list come behind the others.
    """
    _check_copies(data)
    for image in data.images:
        for one in image.objects:
            _, _, width, height = one.box
            box = [round(value, 2) for value in one.box]
            place = f"{image.file}, an object of {one.name!r}"
            fault = name_fault(one.name)
            if fault is not None:
                data.findings.error("no name", place, f"its class {fault}")
            elif not all(math.isfinite(value) for value in one.box):
                data.findings.error("no number", place, f"its box {box} (x, y, w, h) is no box")
            elif width <= 0 or height <= 0:
                message = f"its box {box} (x, y, w, h) has no area: corners in another order?"
                data.findings.error("no area", place, message)
            elif _is_beyond(one, image):
                size = f"{image.width}x{image.height}"
                message = f"its box {box} (x, y, w, h) reaches beyond the image of {size}"
                data.findings.warning("beyond", place, message)
            if fault is None and one.name not in data.classes:
                data.classes.append(one.name)
                message = "has a class that the format does not list: it is taken"
                data.findings.warning("unlisted", place, message)
    _check_beyond(data)
    _check_patterns(data)
    counts = {split: counts_of(data, split) for split in ("train", "val", "test")}
    if any(image.split == "train" for image in data.images) and data.format != "COCO":
        others = {split: one for split, one in counts.items() if split != "train"}
        for line in never_learnt(counts["train"], others, "objects"):
            data.findings.warning(line, "", line)
    for split in ("train", "val"):
        images = [image for image in data.images if image.split == split]
        empty = bool(images) and not any(image.objects for image in images)
        if empty and not data.findings.of("error"):
            message = f"none of the {len(images)} images of {split} has an object"
            data.findings.error(f"no objects {split}", "", message)
    alike = names_alike(data.classes)
    if alike is not None:
        data.findings.warning("alike", "", alike)


def _check_copies(data: AnnotatedImages) -> None:
    """Objects that stand twice, and images that two entries are of; COCO's are known already."""
    if data.format == "COCO":
        return
    files: set[Path] = set()
    for image in data.images:
        if image.file in files:
            message = "is annotated twice: to each the objects of the other are background"
            data.findings.warning("image twice", str(image.file), message)
        files.add(image.file)
        seen: set[tuple[str, tuple[float, ...]]] = set()
        for one in image.objects:
            if (one.name, one.box) in seen:
                message = f"its box {[round(v, 2) for v in one.box]} occurs twice: one object?"
                place = f"{image.file}, an object of {one.name!r}"
                data.findings.warning("copies", place, message)
            seen.add((one.name, one.box))


def counts_of(data: AnnotatedImages, split: str) -> dict[str, tuple[int, int]]:
    """Class -> its objects, and the images that it is in, of a split."""
    objects, images = Counter(), Counter()  # type: Counter[str], Counter[str]
    for image in data.images:
        if image.split == split:
            names = [one.name for one in image.objects]
            objects.update(names)
            images.update(set(names))
    return {name: (objects[name], images[name]) for name in data.classes}


def _check_patterns(data: AnnotatedImages) -> None:
    """Boxes of another unit, as all of them together tell; COCO's and YOLO's are known already."""
    rows = [(*one.box, image.width, image.height) for image in data.images for one in image.objects]
    if data.format in ("COCO", "YOLO") or not rows or data.findings.of("error"):
        return
    told = told_of_boxes(np.asarray(rows, float))
    if told is not None:
        first = [round(value, 2) for value in rows[0][:4]]
        data.findings.error("pattern", "", f"the boxes {told}; e.g. x, y, w, h of {first}")


def _check_beyond(data: AnnotatedImages) -> None:
    """Boxes most of which leave their image are of another unit, or of other images."""
    objects = [(one, image) for image in data.images for one in image.objects]
    count = sum(_is_beyond(one, image) for one, image in objects)
    if 2 * count > len(objects) > 1:
        data.findings.error(
            "most beyond",
            "",
            f"{count} of {len(objects)} boxes reach beyond their image: written in another unit "
            "or order, or for images of another size?",
        )


def _is_beyond(one: ObjectOf, image: AnnotatedImage) -> bool:
    x, y, width, height = one.box
    return max(-x, -y, x + width - image.width, y + height - image.height) > 1


class ImageIndex:
    """The images below a folder, found by name, stem or the end of a path of another machine.

    Args:
        folder: with all folders in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = sorted(
            one
            for one in folder.rglob("*")
            if one.suffix.lower() in SUFFIXES and not one.name.startswith(".")
        )
        self._by_name: dict[str, list[Path]] = {}
        for one in self.files:
            for key in {one.name, one.stem}:
                self._by_name.setdefault(key, []).append(one)
        self._facts: dict[Path, ImageFacts] = {}

    def find(self, name: str, near: Path | None = None) -> Path | None:
        """The image of a name as an annotation has it; the one nearest to `near` of several.

        Backslashes and folders of another machine are no obstacle, as long as one image fits best.
        """
        parts = Path(name.replace("\\", "/")).parts
        if not parts:
            return None
        found = self._by_name.get(parts[-1]) or self._by_name.get(Path(parts[-1]).stem) or []

        def fit(file: Path) -> tuple[int, int]:
            same = 0
            for mine, theirs in zip(reversed(file.parts), reversed(parts), strict=False):
                if mine != theirs:
                    break
                same += 1
            close = 0 if near is None else _shared(file.parent, near)
            return same, close

        return max(found, key=fit, default=None)

    def size(self, file: Path) -> tuple[int, int] | None:
        """Width and height of an image as it is loaded; None where it is broken."""
        if not self._facts:
            self._facts = look_at(self.files)
        facts = self._facts.get(file) or look_at([file])[file]
        height, width = facts.size()
        return None if facts.fault is not None else (width, height)

    def fault(self, file: Path) -> str:
        """What is wrong with an image."""
        return (self._facts.get(file) or look_at([file])[file]).fault or ""


def split_of(parts: Iterable[str]) -> str | None:
    """The split that a folder's or a file's name tells.

    >>> split_of(["images", "valid"]), split_of(["instances_train2017.json"]), split_of(["a"])
    ('val', 'train', None)
    """
    for part in reversed(list(parts)):
        words = "".join(one if one.isalpha() else " " for one in part.lower()).split()
        for split, names in (
            ("train", {"train", "training", "trainset"}),
            ("val", {"val", "valid", "validation", "dev", "valset"}),
            ("test", {"test", "testing", "testset"}),
        ):
            if names & set(words):
                return split
    return None


def listed_splits(
    folder: Path,
    kind: str,
    stems: Container[str] = (),
    dropped: Counter[str] | None = None,
) -> dict[str, str]:
    """Stem of an image -> its split, from the lists of Pascal VOC.

    Args:
        folder: with `ImageSets/<kind>/<split>.txt` somewhere in it.
        kind: `Main` or `Segmentation`.
        stems: known ones, which may have spaces; else a name ends at a space, since the lists of
            a class have a number behind each.
        dropped: receives how many names two lists share: training goes before the others.
    """
    splits: dict[str, str] = {}
    for split in ("test", "val", "train"):
        for file in folder.rglob(f"ImageSets/{kind}/{split}.txt"):
            for line in read_text(file).splitlines():
                if not line.strip():
                    continue
                name = line.strip() if line.strip() in stems else line.split()[0]
                if name not in stems and Path(name).suffix.lower() in SUFFIXES:
                    name = Path(name).stem
                if splits.get(name, split) != split and dropped is not None:
                    dropped[f"images of {splits[name]} that are also of {split}"] += 1
                splits[name] = split
    return splits


def polygon_box(polygons: list[list[float]]) -> tuple[float, float, float, float]:
    """The bounds x, y, width, height of polygons.

    >>> polygon_box([[1, 2, 5, 2, 5, 8]])
    (1, 2, 4, 6)
    """
    x = [value for polygon in polygons for value in polygon[0::2]]
    y = [value for polygon in polygons for value in polygon[1::2]]
    return min(x), min(y), max(x) - min(x), max(y) - min(y)


def _shared(first: Path, second: Path) -> int:
    return sum(one == other for one, other in zip(first.parts, second.parts, strict=False)) - abs(
        len(first.parts) - len(second.parts)
    )
