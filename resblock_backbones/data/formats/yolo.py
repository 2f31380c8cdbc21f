"""YOLO's text files: a line an object, in fractions of the image.

The format is described at https://docs.ultralytics.com/datasets.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..annotations.json_files import read_text
from ..errors import DatasetError
from ..findings import Findings, shown
from .dataset import AnnotatedImage, AnnotatedImages, ImageIndex, ObjectOf, polygon_box, split_of
from .yolo_boxes import SLACK, way_of

SPLITS = {"train": "train", "val": "val", "valid": "val", "test": "test"}
#: What a `data.yaml` has, and no other YAML beside it.
NAMES = re.compile(r"^names\s*:", re.MULTILINE)
IMAGES = re.compile(r"^(train|val|test)\s*:", re.MULTILINE)
LARGEST_YAML = 1_000_000


def find_yolo(folder: Path) -> Path | None:
    """The file that names the classes of a YOLO folder; None where it is no such folder."""
    found = [
        file
        for pattern in ("*.yaml", "*.yml")
        for file in sorted(folder.glob(pattern))
        if file.stat().st_size < LARGEST_YAML and NAMES.search(read_text(file))
    ]
    # Of several the one that also names images; data.yaml before others.
    found.sort(key=lambda one: (not IMAGES.search(read_text(one)), one.stem != "data"))
    if found:
        return found[0]
    for name in ("classes.txt", "obj.names", "labels/classes.txt"):
        if (folder / name).is_file() and any(_label_files(folder)):
            return folder / name
    return None


def read_yolo(folder: Path, names_file: Path) -> AnnotatedImages:
    """Read a YOLO folder.

    Args:
        folder: of it.
        names_file: of :func:`find_yolo`.

    Raises:
        DatasetError: a path of `data.yaml` is not there, or it is no YAML.
    """
    findings = Findings(names_file)
    index = ImageIndex(folder)
    if names_file.suffix == ".txt" or names_file.suffix == ".names":
        lines = read_text(names_file).splitlines()
        classes = _different([line.strip() for line in lines if line.strip()], names_file)
        images = [(file, split_of(file.relative_to(folder).parts[:-1])) for file in index.files]
        keypoints = False
    else:
        content = _read_yaml(names_file)
        classes = _names(content, names_file)
        keypoints = "kpt_shape" in content
        images = list(_images_of(content, names_file))
    result = AnnotatedImages("YOLO", classes, [], findings)
    images = _of_one_split(images, result)
    boxes: list[list[float]] = []
    for file, split in images:
        size = index.size(file)
        if size is None:
            findings.error("image", "", f"{file}: {index.fault(file)}")
            continue
        labels = _labels_of(file)
        objects = []
        if labels is None:
            result.dropped["images without a text file: taken as without objects"] += 1
        else:
            objects = list(_objects(labels, classes, size, result, keypoints, boxes))
        result.images.append(AnnotatedImage(file, *size, objects, split))
    way = way_of(boxes)
    if way is not None:
        first = " ".join(f"{one:g}" for one in boxes[0])
        message = f"the boxes look like {way}; YOLO's are centre x, centre y, width, height"
        findings.error("way", "", f"{message}; e.g. {first}")
    known = {labels for file, _ in images if (labels := _labels_of(file)) is not None}
    if images and not known:
        findings.error(
            "no labels",
            "",
            f"none of {len(images)} images has a text file of labels: for {images[0][0]} it is "
            f"looked for beside it, and in the folder 'labels' in place of 'images'{_near(folder)}",
        )
    lost = [one for one in _label_files(folder) if one not in known]
    if lost:
        result.dropped["text files without an image"] = len(lost)
        message = f"{lost[0]}: there is no image of this name{_near(folder)}"
        findings.warning("no image", "", message)
    return result


def _of_one_split(
    images: list[tuple[Path, str | None]], result: AnnotatedImages
) -> list[tuple[Path, str | None]]:
    """Each image once: `test` may name those of `val` once more, `val` not those of `train`."""
    splits: dict[Path, str | None] = {}
    for file, split in images:
        first = splits.setdefault(file, split)
        if first == "train" and split != "train":
            result.dropped[f"images of {split} that are also of train"] += 1
    return list(splits.items())


def _objects(
    file: Path,
    classes: list[str],
    size: tuple[int, int],
    result: AnnotatedImages,
    keypoints: bool,
    boxes: list[list[float]],
) -> Iterator[ObjectOf]:
    seen: Counter[str] = Counter()
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        seen[line] += 1
        if seen[line] > 1:
            result.dropped["duplicate lines in a text file"] += 1
            continue
        fault, one = _object(words, classes, size, keypoints)
        if one is not None:
            if one.mask is None:
                boxes.append([float(word) for word in words[1:5]])
            yield one
        else:
            kind = " ".join(word for word in fault.split() if word.isalpha())
            result.findings.error(f"line {kind}", f"{file}, line {number}", fault)


def _object(
    words: list[str], classes: list[str], size: tuple[int, int], keypoints: bool
) -> tuple[str, ObjectOf | None]:
    """What is wrong with a line, or its object."""
    try:
        label, values = float(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        return f"{shown(' '.join(words))} are not all numbers", None
    if not math.isfinite(label) or label != int(label) or not 0 <= label < len(classes):
        return f"class {words[0]} is none of the {len(classes)} of the data set", None
    if keypoints:
        values = values[:4]
    if len(values) == 5:
        return "has 6 numbers: a prediction with its score, no annotation", None
    if len(values) < 4 or (len(values) > 4 and len(values) % 2):
        return f"has {len(words)} numbers, neither a box (5) nor a polygon (odd, at least 7)", None
    bad = next((v for v in values if not math.isfinite(v) or not -SLACK <= v <= 1 + SLACK), None)
    if bad is not None:
        points = len(values) > 4 and len(values) % 3 == 1
        hint = "; keypoints? then kpt_shape in data.yaml says how many" if points else ""
        return f"holds {bad:g}, no fraction of the image (0 to 1){hint}", None
    name, (width, height) = classes[int(label)], size
    if len(values) == 4:
        x, y, across, down = values
        if across <= 0 or down <= 0:
            return f"has a box of {across:g} x {down:g}", None
        box = (x - across / 2) * width, (y - down / 2) * height, across * width, down * height
        return "", ObjectOf(name, box)
    polygon = [value * (height if place % 2 else width) for place, value in enumerate(values)]
    return "", ObjectOf(name, polygon_box([polygon]), [polygon])


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise DatasetError(f"{file}: to read it takes PyYAML: pip install pyyaml") from error
    try:
        content = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, RecursionError) as error:
        raise DatasetError(f"{file}: is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{file}: has no 'names' of classes")
    return content


def _names(content: dict[str, Any], file: Path) -> list[str]:
    names = content.get("names")
    if isinstance(names, dict):
        names = {int(key) if str(key).isdecimal() else key: one for key, one in names.items()}
        if set(names) != set(range(len(names))):
            raise DatasetError(f"{file}: the numbers of 'names' are not 0, 1, 2, ...")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{file}: 'names' is {shown(names)}, no list of classes")
    odd = [one for one in names if isinstance(one, bool) or not isinstance(one, str | int | float)]
    if odd:
        raise DatasetError(f"{file}: 'names' has {shown(odd[0])}: write the name in quotes")
    names = _different([str(name) for name in names], file)
    if str(content.get("nc", len(names))) != str(len(names)):
        raise DatasetError(f"{file}: nc is {content['nc']}, and 'names' has {len(names)}")
    return names


def _different(names: list[str], file: Path) -> list[str]:
    """The names of classes, if each is another one."""
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise DatasetError(f"{file}: has the class {twice!r} twice: objects of the two are one")
    return names


def _images_of(content: dict[str, Any], file: Path) -> Iterator[tuple[Path, str]]:
    found = False
    for key, split in SPLITS.items():
        given = content.get(key)
        for one in given if isinstance(given, list) else [given] if given else []:
            found = True
            for image in _images_at(_resolve(str(one), key, content, file)):
                yield image, split
    if not found:
        raise DatasetError(f"{file}: names no images (train, val, test)")


def _resolve(given: str, key: str, content: dict[str, Any], file: Path) -> Path:
    root = Path(str(content.get("path") or ""))
    path = Path(given.replace("\\", "/"))
    bare = Path(*[part for part in path.parts if part not in ("..", ".")])
    bases = [file.parent / root]
    if not root.is_absolute():
        bases.append(file.parent)
    for base in bases:
        # Some exports write `../train` for a folder beside the file.
        for choice in [base / path] + ([] if path.is_absolute() else [base / bare]):
            if choice.exists():
                return choice
    # The end of a path of another machine is often right.
    ends = (Path(*path.parts[place:]) for place in range(len(path.parts)))
    end = next((one for one in ends if _is_below(one, file.parent)), None)
    cure = f"write {end.as_posix()!r}" if end is not None else f"write it relative to {file.parent}"
    if root.parts and end is not None:
        cure += " and no 'path'"
    raise DatasetError(
        f"{file}: {key}: there is no {root / path} here (a path of another machine?): {cure}"
    )


def _is_below(path: Path, folder: Path) -> bool:
    return not path.is_absolute() and ".." not in path.parts and (folder / path).exists()


def _images_at(path: Path) -> list[Path]:
    if path.is_dir():
        return ImageIndex(path).files
    lines = read_text(path).splitlines()
    return [path.parent / line.strip() for line in lines if line.strip()]


def _labels_of(image: Path) -> Path | None:
    """`labels` in place of the last `images` of the path, else beside the image."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place].lower() == "images":
            choice = Path(*parts[:place], "labels", *parts[place + 1 :]).with_suffix(".txt")
            if choice.is_file():
                return choice
            break
    beside = image.with_suffix(".txt")
    return beside if beside.is_file() else None


def _near(folder: Path) -> str:
    """Labels of which only capital letters are wrong."""
    for one in sorted(folder.rglob("*")):
        if one.is_dir() and one.name != "labels" and one.name.lower() == "labels":
            return f"; there is {one}, in capital letters"
        if one.suffix != ".txt" and one.suffix.lower() == ".txt":
            return f"; there is {one.name}, in capital letters"
    return ""


def _label_files(folder: Path) -> list[Path]:
    """Text files that hold lines of numbers."""
    skipped = {"classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "obj.names"}
    return [
        one
        for one in sorted(folder.rglob("*.txt"))
        if one.name not in skipped and not one.name.upper().startswith("README")
    ]
