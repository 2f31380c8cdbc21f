"""Which formats a folder is annotated in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...options.checks import check_choice
from ..annotations.json_files import read_json
from ..errors import DatasetError
from .coco_folder import read_coco_folder
from .dataset import AnnotatedImages, check_objects
from .json_formats import json_files, json_kind, read_label_studio, read_labelme
from .mask_folder import MaskFolder, find_mask_folder, read_mask_folder
from .xml_formats import find_cvat, find_voc, read_cvat, read_voc
from .yolo import find_yolo, read_yolo

FORMATS = ("coco", "yolo", "voc", "labelme", "cvat", "label studio", "masks")


def recognise(folder: Path) -> dict[str, Callable[[], AnnotatedImages | MaskFolder]]:
    """The formats of a folder, and what reads each.

    Args:
        folder: of images and annotations; or a single COCO file, whose folder it is then.

    Raises:
        DatasetError: there is no such folder, or nothing in it is known.
    """
    return {kind: _checked(read) for kind, read in _readers(folder).items()}


def _readers(folder: Path) -> dict[str, Callable[[], AnnotatedImages | MaskFolder]]:
    if folder.is_file():
        if folder.suffix.lower() in (".yaml", ".yml", ".xml"):
            return _readers(folder.parent)
        if folder.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"):
            raise DatasetError(f"{folder}: is packed; unpack it and give the folder")
        if folder.suffix.lower() != ".json":
            raise DatasetError(f"{folder}: is a file; give the folder of images and annotations")
        kind = json_kind(folder)
        if kind is None:
            raise DatasetError(f"{folder}: is no COCO, LabelMe or Label Studio JSON")
        return {kind: _json_readers(folder.parent, {kind: [folder]})[kind]}
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder")
    found: dict[str, Callable[[], AnnotatedImages | MaskFolder]] = {}
    by_kind: dict[str, list[Path]] = {}
    others: list[Path] = []
    for file in json_files(folder):
        kind = json_kind(file)
        if kind is None:
            others.append(file)
        else:
            by_kind.setdefault(kind, []).append(file)
    found.update(_json_readers(folder, by_kind))
    names = find_yolo(folder)
    if names is not None:
        found["yolo"] = lambda: read_yolo(folder, names)
    voc, cvat = find_voc(folder), find_cvat(folder)
    if voc:
        found["voc"] = lambda: read_voc(folder, voc)
    if cvat:
        found["cvat"] = lambda: read_cvat(folder, cvat)
    pairs = find_mask_folder(folder)
    if pairs:
        found["masks"] = lambda: read_mask_folder(folder, pairs)
    if not found and others:
        raise DatasetError(f"{others[0]}: {_why_unknown(others[0])}")
    if not found:
        raise DatasetError(
            f"{folder}: no annotations that are known here: COCO JSON, YOLO (data.yaml or "
            "classes.txt), Pascal VOC, LabelMe, CVAT, Label Studio, or folders of images and of "
            "label maps with the same names"
        )
    return found


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
        check_choice("format", format, FORMATS)
        if format not in found:
            raise DatasetError(f"{folder}: is not in the format {format}, but {', '.join(found)}")
        return found[format]()
    objects = [name for name in found if name != "masks"]
    if masks is True or (masks is None and not objects):
        if "masks" not in found:
            raise DatasetError(f"{folder}: has no label maps, but {', '.join(found)}")
        return found["masks"]()
    if not objects:
        raise DatasetError(f"{folder}: has label maps alone, and a detector learns from objects")
    if len(objects) > 1:
        raise DatasetError(
            f"{folder}: is annotated in several formats, {' and '.join(objects)}: say which with "
            f"--format {objects[0].replace(' ', '-')}"
        )
    return found[objects[0]]()


def _checked(
    read: Callable[[], AnnotatedImages | MaskFolder],
) -> Callable[[], AnnotatedImages | MaskFolder]:
    """A reader that also checks what all formats of objects have."""

    def checked() -> AnnotatedImages | MaskFolder:
        data = read()
        if isinstance(data, AnnotatedImages):
            check_objects(data)
        return data

    return checked


def _why_unknown(file: Path) -> str:
    """What a JSON file of no known format has."""
    content = read_json(file)
    if isinstance(content, dict):
        keys = ", ".join(map(repr, list(content)[:6])) or "nothing"
        return (
            f"no annotations: it has {keys}; COCO's has 'images', 'categories' and 'annotations', "
            "LabelMe's 'shapes'"
        )
    first = content[0] if isinstance(content, list) and content else None
    if isinstance(first, dict) and {"image_id", "score"} <= set(first):
        return "holds predictions (boxes with scores), not annotations with images and categories"
    return f"no annotations: its top is a {type(content).__name__}"


def _json_readers(
    folder: Path, by_kind: dict[str, list[Path]]
) -> dict[str, Callable[[], AnnotatedImages]]:
    readers = {
        "coco": read_coco_folder,
        "labelme": read_labelme,
        "label studio": read_label_studio,
    }

    def reader(kind: str) -> Callable[[], AnnotatedImages]:
        return lambda: readers[kind](folder, by_kind[kind])

    return {kind: reader(kind) for kind in by_kind}
