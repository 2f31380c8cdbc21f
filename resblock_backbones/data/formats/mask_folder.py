"""Folders of images and of label maps with the same names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..annotations.json_files import read_text
from ..findings import Findings
from ..images.facts import ImageFacts, look_at
from ..label_maps import LabelRules
from .dataset import ImageIndex, split_of

#: Folders of label maps, by what people call them.
MASK_NAMES = {
    "annotation", "annotations", "ann", "ann_dir", "gt", "gtfine", "label", "labels", "labels_png",
    "mask", "masks", "seg", "segmentation", "segmentationclass", "segmentationclassraw",
}  # fmt: skip
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
    """

    classes: list[str]
    named: bool
    pairs: list[tuple[Path, Path, str | None]]
    facts: dict[Path, ImageFacts]
    binary: bool
    findings: Findings
    unpaired: list[Path] = field(default_factory=list)
    without_map: list[Path] = field(default_factory=list)

    @property
    def rules(self) -> LabelRules:
        """How they are read."""
        return LabelRules(tuple(self.classes), tuple(self.classes))


def find_mask_folder(folder: Path) -> list[tuple[Path, Path]]:
    """Images and their label maps; empty where a folder has none."""
    index = ImageIndex(folder)
    masks: dict[str, list[Path]] = {}
    images = []
    for file in index.files:
        parents = [part.lower() for part in file.relative_to(folder).parts[:-1]]
        if MASK_NAMES & set(parents):
            if file.suffix.lower() in MASK_SUFFIXES:
                masks.setdefault(_stem_of(file.stem), []).append(file)
        else:
            images.append(file)
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
    facts = look_at([one for _, one in pairs], labels=True, title="label maps")
    # A JPEG, which is refused, holds numbers that nobody wrote.
    exact = [one for one in facts.values() if one.file_format != "JPEG"]
    values = {value for one in exact for value in one.labels or {}}
    binary = values == {0, 255}
    names = _class_names(folder)
    largest = 1 if binary else max((one for one in values if one != 255), default=0)
    classes = names or ["background", *(f"class {number}" for number in range(1, largest + 1))]
    split_pairs = [
        (image, labels, split_of(image.relative_to(folder).parts[:-1])) for image, labels in pairs
    ]
    paired = {one for pair in pairs for one in pair}
    alone: dict[bool, list[Path]] = {True: [], False: []}
    for one in ImageIndex(folder).files:
        if one not in paired:
            parents = {part.lower() for part in one.relative_to(folder).parts[:-1]}
            alone[bool(MASK_NAMES & parents)].append(one)
    findings = Findings(folder)
    if names is None:
        _check_numbers(values - {255}, binary, findings)
    return MaskFolder(
        classes, names is not None, split_pairs, facts, binary, findings, alone[True], alone[False]
    )


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
    return None


def _stem_of(stem: str) -> str:
    ending = next((one for one in sorted(ENDINGS, key=len, reverse=True) if stem.endswith(one)), "")
    return stem.removesuffix(ending) or stem
