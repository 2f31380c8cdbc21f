"""Folders of images and of label maps with the same names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..annotations.json_files import read_text
from ..findings import Findings
from ..images.facts import ImageFacts, look_at
from ..label_maps import LabelRules
from .colours import Colours, colours_of, numbered
from .dataset import ImageIndex, listed_splits, split_of

#: Folders of label maps, by what people call them.
MASK_NAMES = {
    "annotation", "annotations", "ann", "ann_dir", "gt", "gtfine", "label", "labels", "labels_png",
    "mask", "masks", "seg", "segmentation", "segmentationclass", "segmentationclassraw",
}  # fmt: skip
#: Folders of other maps beside them, with the same names.
OTHER_MAPS = {
    "confidence", "depth", "disparity", "inst", "instance", "instances", "panoptic",
    "segmentationobject", "viz", "visualization",
}  # fmt: skip
#: What Roboflow adds to the name of a label map beside its image.
BESIDE = "_mask"
MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg", ".jpeg")
#: What images of Cityscapes have in place of a label map's ending.
CITYSCAPES = "_leftImg8bit"
#: What a label map's name may have behind that of its image.
ENDINGS = (
    "",
    "_mask",
    "_label",
    "_labels",
    "_seg",
    "_gt",
    "-mask",
    "_labelIds",
    "_gtFine_labelIds",
)


@dataclass
class MaskFolder:
    """Images and label maps.

    Attributes:
        classes: names in the order of the numbers.
        named: whether a file named them.
        pairs: image, label map, split.
        facts: of the label maps, with their numbers.
        binary: the maps hold 0 and 255, which stand for 0 and 1.
        findings: what is wrong.
        unpaired: label maps without an image.
        without_map: images without a label map.
        colours: label map -> colour -> number, of the maps whose classes are colours.
    """

    classes: list[str]
    named: bool
    pairs: list[tuple[Path, Path, str | None]]
    facts: dict[Path, ImageFacts]
    binary: bool
    findings: Findings
    unpaired: list[Path] = field(default_factory=list)
    without_map: list[Path] = field(default_factory=list)
    colours: dict[Path, Colours] = field(default_factory=dict)

    @property
    def rules(self) -> LabelRules:
        """How they are read."""
        return LabelRules(tuple(self.classes), tuple(self.classes))

    def counts_of(self, split: str) -> dict[str, tuple[int, int]]:
        """Class -> its pixels, and the label maps that it is in, of a split."""
        pixels, maps = Counter(), Counter()  # type: Counter[int], Counter[int]
        for _, labels, of_split in self.pairs:
            if of_split == split:
                pixels.update(self.facts[labels].labels or {})
                maps.update((self.facts[labels].labels or {}).keys())
        values = range(len(self.classes))
        if self.binary:
            values = (0, 255)  # type: ignore[assignment]
        return {
            name: (pixels[value], maps[value])
            for name, value in zip(self.classes, values, strict=False)
        }


def find_mask_folder(folder: Path) -> list[tuple[Path, Path]]:
    """Images and their label maps; empty where a folder has none."""
    images, maps = _images_and_maps(folder)
    masks: dict[str, list[Path]] = {}
    for file in maps:
        masks.setdefault(_stem_of(file.stem), []).append(file)
    pairs = []
    for image in images:
        choices = masks.get(image.stem.removesuffix(CITYSCAPES), [])
        split = split_of(image.relative_to(folder).parts[:-1])
        same = [one for one in choices if split_of(one.relative_to(folder).parts[:-1]) == split]
        if same:
            # JPEGs come last: they are refused where there is nothing else.
            same.sort(key=lambda one: one.suffix.lower() in (".jpg", ".jpeg"))
            pairs.append((image, same[0]))
    return pairs


def read_mask_folder(folder: Path, pairs: list[tuple[Path, Path]]) -> MaskFolder:
    """Read a folder of images and label maps.

    Its classes are those of a list of names beside them; else numbers are their names.
    """
    maps = [one for _, one in pairs]
    facts = look_at(maps, labels=True, title="label maps")
    findings = Findings(folder)
    colours = colours_of(folder / "labelmap.txt")
    by_colour: set[Path] = set()
    if colours:
        facts, by_colour = numbered(maps, facts, colours, findings)
    # A JPEG, which is refused, holds numbers that nobody wrote.
    exact = [one for one in facts.values() if one.file_format != "JPEG"]
    values = {value for one in exact for value in one.labels or {}}
    binary = values == {0, 255}
    names = _class_names(folder)
    largest = 1 if binary else max((one for one in values if one != 255), default=0)
    classes = names or ["background", *(f"class {number}" for number in range(1, largest + 1))]
    listed = listed_splits(folder, "Segmentation")
    split_pairs = [
        (
            image,
            labels,
            listed.get(image.stem) or split_of(image.relative_to(folder).parts[:-1]),
        )
        for image, labels in pairs
    ]
    _check_partners(pairs, findings)
    paired = {one for pair in pairs for one in pair}
    without_map, without_image = (
        [one for one in files if one not in paired] for files in _images_and_maps(folder)
    )
    if names is None:
        _check_numbers(values - {255}, binary, findings)
    return MaskFolder(
        classes,
        names is not None,
        split_pairs,
        facts,
        binary,
        findings,
        without_image,
        without_map,
        dict.fromkeys(by_colour, colours),
    )


def mask_without_an_image(folder: Path) -> Path | None:
    """The first label map of a folder in which none has an image."""
    images, maps = _images_and_maps(folder)
    return maps[0] if images and maps else None


def unnamed_images(folder: Path, named: Iterable[Path]) -> list[Path]:
    """The images of a folder that no annotation names; label maps are none."""
    known = {os.path.abspath(one) for one in named}  # noqa: PTH100 (links keep their names)
    return [one for one in _images_and_maps(folder)[0] if os.path.abspath(one) not in known]  # noqa: PTH100


def _images_and_maps(folder: Path) -> tuple[list[Path], list[Path]]:
    """Images of a folder, and label maps: by the names of their folders, or beside an image."""
    files = ImageIndex(folder).files
    known = {file.with_suffix("") for file in files}
    images, maps = [], []
    for file in files:
        parents = {part.lower() for part in file.relative_to(folder).parts[:-1]}
        image = file.with_name(file.stem.removesuffix(BESIDE))
        beside = file.stem.endswith(BESIDE) and image in known
        if OTHER_MAPS & parents:
            continue
        if not MASK_NAMES & parents and not beside:
            images.append(file)
        elif file.suffix.lower() in MASK_SUFFIXES:
            maps.append(file)
    return images, maps


def _check_partners(pairs: list[tuple[Path, Path]], findings: Findings) -> None:
    """A label map is that of one image: a second folder of its names holds something else."""
    image_of: dict[Path, Path] = {}
    for image, labels in pairs:
        first = image_of.setdefault(labels, image)
        if first.parent != image.parent:
            message = (
                f"{first} and {image} have the name of one label map, {labels}: remove the folder "
                "that holds no images"
            )
            findings.error("partners", "" if "partners" not in findings else str(image), message)


def _check_numbers(values: set[int], binary: bool, findings: Findings) -> None:
    """What label maps without names hold: at least two numbers, most of those up to the largest."""
    if binary or not values:
        return
    told = ", ".join(map(str, sorted(values)[:8])) + (", ..." if len(values) > 8 else "")
    if len(values) == 1:
        findings.error("numbers", "", f"all label maps hold {told} alone: nothing to tell apart")
    elif len(values) < (max(values) + 1) / 2:
        findings.error(
            "numbers",
            "",
            f"label maps hold {told}: a class for every number up to {max(values)} would be one "
            "that is never seen; number them 0, 1, 2, ..., or name all in classes.txt, one a line",
        )


def _class_names(folder: Path) -> list[str] | None:
    for name in ("classes.txt", "names.txt", "labels.txt", "labelmap.txt", "class_names.txt"):
        for file in (folder / name, *sorted(folder.glob(f"*/{name}"))):
            if file.is_file():
                lines = read_text(file).splitlines()
                # CVAT's labelmap.txt has "name:colour::" after a line that begins with #.
                names = [line.split(":")[0].strip() for line in lines if not line.startswith("#")]
                return [name for name in names if name]
    for file in sorted(folder.rglob("_classes.csv")):  # Roboflow's: a number and a name a line
        rows = [line.split(",", 1) for line in read_text(file).splitlines()]
        numbered = {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}
        count = sum(number.isdecimal() for number in numbered)
        return [numbered.get(str(number), f"class {number}") for number in range(count)]
    return None


def _stem_of(stem: str) -> str:
    ending = next((one for one in sorted(ENDINGS, key=len, reverse=True) if stem.endswith(one)), "")
    return stem.removesuffix(ending) or stem
