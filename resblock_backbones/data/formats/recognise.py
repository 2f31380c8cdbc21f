"""Which formats a folder is annotated in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...options.checks import check_choice
from ...options.errors import InputError
from ..errors import DatasetError
from .coco_folder import read_coco_folder
from .dataset import AnnotatedImages, check_objects
from .json_formats import json_files, json_kind, read_label_studio, read_labelme
from .mask_folder import MaskFolder, find_mask_folder, read_mask_folder, unnamed_images
from .unknown import is_half_coco, why_nothing_is_known, why_unknown
from .xml_formats import find_cvat, find_voc, read_cvat, read_voc
from .yolo import find_yolo, read_yolo

FORMATS = ("coco", "yolo", "voc", "labelme", "cvat", "label studio", "masks")


#: What a reader trips over in files that are damaged in a way that it does not look for.
DAMAGE = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError,
    ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """Reads what a folder holds in one format.

    Attributes:
        format: one of :data:`FORMATS`.
        folder: of images and annotations.
        files: of annotations, as far as they are known before reading.
        read: reads them.
        others: JSON files beside them that are no annotations.
        whole: the files are all of the folder, not one that was named.
    """

    format: str
    folder: Path
    files: Sequence[Path]
    read: Callable[[], AnnotatedImages | MaskFolder]
    others: Sequence[Path] = ()
    whole: bool = True

    def __call__(self) -> AnnotatedImages | MaskFolder:
        """Read, and check what all formats of objects have.

        Raises:
            DatasetError: the annotations are damaged.
        """
        try:
            data = self.read()
        except InputError:
            raise
        except DAMAGE as error:
            raise DatasetError(
                f"{self.folder}: its annotations ({self.format}) are damaged: "
                f"{type(error).__name__}: {error}"
            ) from error
        if isinstance(data, AnnotatedImages):
            if not data.findings.of("error"):
                data.dropped += self.passed_over(image.file for image in data.images)
            check_objects(data)
        return data

    def passed_over(self, named: Iterable[Path]) -> Counter[str]:
        """What is in the folder and in none of these images' annotations: reason -> count."""
        counts: Counter[str] = Counter()
        unnamed = unnamed_images(self.folder, named) if self.whole else []
        if unnamed:
            counts[f"images that no annotation names, the first {unnamed[0]}"] = len(unnamed)
        if self.others:
            counts[f"JSON files that are no annotations, the first {self.others[0]}"] = len(
                self.others
            )
        return counts


def recognise(folder: Path) -> dict[str, Reader]:
    """The formats of a folder, and what reads each.

    Args:
        folder: of images and annotations; or a single COCO file, whose folder it is then.

    Raises:
        DatasetError: there is no such folder, or nothing in it is known.
    """
    if folder.is_file():
        return _of_file(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder")
    by_kind: dict[str, list[Path]] = {}
    others: list[Path] = []
    for file in json_files(folder):
        kind = json_kind(file)
        if kind is None:
            others.append(file)
        else:
            by_kind.setdefault(kind, []).append(file)
    half = next((one for one in others if is_half_coco(one)), None)
    if half is not None and "coco" in by_kind:
        # What is left out with it must not look like all there is.
        raise DatasetError(f"{half}: {why_unknown(half)}")
    found = {
        kind: replace(_json_reader(folder, kind, files), others=others)
        for kind, files in by_kind.items()
    }
    names = find_yolo(folder)
    if names is not None:
        found["yolo"] = Reader("yolo", folder, [names], lambda: read_yolo(folder, names))
    voc, cvat = find_voc(folder), find_cvat(folder)
    if voc:
        found["voc"] = Reader("voc", folder, voc, lambda: read_voc(folder, voc))
    if cvat:
        found["cvat"] = Reader("cvat", folder, cvat, lambda: read_cvat(folder, cvat))
    pairs = find_mask_folder(folder)
    if pairs:
        masks = [one for _, one in pairs]
        found["masks"] = Reader("masks", folder, masks, lambda: read_mask_folder(folder, pairs))
    if not found:
        raise DatasetError(why_nothing_is_known(folder, others))
    return found


def _of_file(file: Path) -> dict[str, Reader]:
    if file.suffix.lower() in (".yaml", ".yml", ".xml"):
        return recognise(file.parent)
    if file.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"):
        raise DatasetError(f"{file}: is packed; unpack it and give the folder")
    if file.suffix.lower() != ".json":
        raise DatasetError(f"{file}: is a file; give the folder of images and annotations")
    kind = json_kind(file)
    if kind is None:
        raise DatasetError(f"{file}: is no COCO, LabelMe or Label Studio JSON")
    return {kind: replace(_json_reader(file.parent, kind, [file]), whole=False)}


def read_folder(
    folder: Path, *, masks: bool | None = None, format: str | None = None
) -> AnnotatedImages | MaskFolder:
    """Read a folder in the format that it is in.

    Args:
        folder: of images and annotations.
        masks: whether label maps are wanted; None is what there is, objects before label maps.
        format: one of :data:`FORMATS`, where a folder has several.

    Raises:
        DatasetError: nothing is known, or several formats are there.
    """
    found = recognise(folder)
    if format is not None:
        return the_one(found, format, folder)()
    objects = [name for name in found if name != "masks"]
    if masks is True or (masks is None and not objects):
        if "masks" not in found:
            raise DatasetError(f"{folder}: has no label maps, but {', '.join(found)}")
        return found["masks"]()
    if not objects:
        raise DatasetError(f"{folder}: has label maps alone, and a detector learns from objects")
    if len(objects) > 1:
        raise DatasetError(several_formats(folder, objects))
    return found[objects[0]]()


def the_one(found: Mapping[str, Reader], format: str, folder: Path) -> Reader:
    """The reader of a format that was asked for.

    Args:
        found: of :func:`recognise`.
        format: one of :data:`FORMATS`; with hyphens as on a command line.
        folder: for the message.

    Raises:
        DatasetError: it is no format, or the folder is in others.
    """
    name = format.replace("-", " ")
    try:
        check_choice("--format", name, FORMATS)
    except ValueError as error:
        raise DatasetError(str(error)) from error
    if name not in found:
        raise DatasetError(f"{folder}: is not in the format {name}, but {', '.join(found)}")
    return found[name]


def several_formats(folder: Path, formats: Sequence[str]) -> str:
    """A line about a folder in which reading one format would lose what another one says."""
    return (
        f"{folder}: is annotated in several formats, {' and '.join(formats)}: choose one with "
        f"--format {formats[0].replace(' ', '-')}"
    )


def _json_reader(folder: Path, kind: str, files: list[Path]) -> Reader:
    readers = {
        "coco": read_coco_folder,
        "labelme": read_labelme,
        "label studio": read_label_studio,
    }
    return Reader(kind, folder, files, lambda: readers[kind](folder, files))
