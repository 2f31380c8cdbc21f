"""Folders of images and of label maps with the same names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..findings import Findings
from ..images.facts import ImageFacts, look_at
from ..label_maps import LabelRules
from .dataset import ImageIndex, split_of

#: Folders of label maps, by what people call them.
MASK_NAMES = {
    "annotation", "annotations", "ann", "ann_dir", "gt", "gtfine", "label", "labels", "labels_png",
    "mask", "masks", "seg", "segmentation", "segmentationclass", "segmentationclassraw",
}  # fmt: skip
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
    """

    classes: list[str]
    named: bool
    pairs: list[tuple[Path, Path, str | None]]
    facts: dict[Path, ImageFacts]
    binary: bool
    findings: Findings
    unpaired: list[Path] = field(default_factory=list)

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
            if file.suffix.lower() in (".png", ".tif", ".tiff", ".bmp", ".gif"):
                masks.setdefault(_stem_of(file.stem), []).append(file)
        else:
            images.append(file)
    pairs = []
    for image in images:
        choices = masks.get(image.stem, [])
        split = split_of(image.relative_to(folder).parts[:-1])
        same = [one for one in choices if split_of(one.relative_to(folder).parts[:-1]) == split]
        if same:
            pairs.append((image, same[0]))
    return pairs


def read_mask_folder(folder: Path, pairs: list[tuple[Path, Path]]) -> MaskFolder:
    """Read a folder of images and label maps.

    Its classes are those of a list of names beside them; else numbers are their names.
    """
    facts = look_at([one for _, one in pairs], labels=True, title="label maps")
    values = {value for one in facts.values() for value in one.labels or {}}
    binary = values == {0, 255}
    names = _class_names(folder)
    largest = 1 if binary else max((one for one in values if one != 255), default=0)
    classes = names or ["background", *(f"class {number}" for number in range(1, largest + 1))]
    split_pairs = [
        (image, labels, split_of(image.relative_to(folder).parts[:-1])) for image, labels in pairs
    ]
    paired = {labels for _, labels in pairs}
    unpaired = [
        one
        for one in ImageIndex(folder).files
        if MASK_NAMES & {part.lower() for part in one.relative_to(folder).parts[:-1]}
        and one not in paired
    ]
    return MaskFolder(
        classes, names is not None, split_pairs, facts, binary, Findings(folder), unpaired
    )


def _class_names(folder: Path) -> list[str] | None:
    for name in ("classes.txt", "names.txt", "labels.txt", "labelmap.txt", "class_names.txt"):
        for file in (folder / name, *sorted(folder.glob(f"*/{name}"))):
            if file.is_file():
                lines = file.read_text(encoding="utf-8-sig").splitlines()
                # CVAT's labelmap.txt has "name:colour::" after a line that begins with #.
                names = [line.split(":")[0].strip() for line in lines if not line.startswith("#")]
                return [name for name in names if name]
    return None


def _stem_of(stem: str) -> str:
    ending = next((one for one in sorted(ENDINGS, key=len, reverse=True) if stem.endswith(one)), "")
    return stem.removesuffix(ending) or stem
