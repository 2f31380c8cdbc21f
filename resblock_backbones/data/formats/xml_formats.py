"""Pascal VOC's XML, a file an image, and CVAT's, one file of all images."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from ..coco import run_lengths
from ..errors import DatasetError
from ..findings import Findings
from .dataset import (
    AnnotatedImage,
    AnnotatedImages,
    ImageIndex,
    ObjectOf,
    listed_splits,
    polygon_box,
    split_of,
)


def find_voc(folder: Path) -> list[Path]:
    """VOC's files in a folder."""
    return [one for one in _xml_files(folder) if _root_tag(one) == "annotation"]


def find_cvat(folder: Path) -> list[Path]:
    """CVAT's files in a folder."""
    return [one for one in _xml_files(folder) if _root_tag(one) == "annotations"]


def read_voc(folder: Path, files: list[Path]) -> AnnotatedImages:
    """Read VOC's XML.

    Its boxes count pixels from 1 and include the last one; many tools write them from 0. Which of
    the two a folder has is seen from its smallest and its largest coordinates.
    """
    result = AnnotatedImages("Pascal VOC", [], [], Findings(folder))
    index = ImageIndex(folder)
    splits = _voc_splits(folder, {file.stem for file in files}, result)
    for file in files:
        root = _parse(file)
        name = (root.findtext("filename") or "").strip()
        image = index.find(file.stem, file.parent) or index.find(name, file.parent)
        if image is None:
            result.findings.error("image", str(file), f"there is no image {name or file.stem!r}")
            continue
        size = index.size(image)
        if size is None:
            result.findings.error("broken", "", f"{image}: {index.fault(image)}")
            continue
        _check_name(name, image, file, index, result)
        objects = []
        for number, node in enumerate(root.iter("object")):
            one = _voc_object(node, f"{file}, object {number}", result)
            if one is not None:
                objects.append(one)
        _check_size(root, file, size, result)
        split = splits.get(file.stem) or split_of(file.relative_to(folder).parts[:-1])
        result.images.append(AnnotatedImage(image, *size, objects, split))
    _shift_boxes(result)
    result.classes = sorted({one.name for image in result.images for one in image.objects})
    return result


def read_cvat(folder: Path, files: list[Path]) -> AnnotatedImages:
    """Read "CVAT for images 1.1": boxes, polygons and masks.

    Raises:
        DatasetError: it is a video's, of tracks.
    """
    result = AnnotatedImages("CVAT", [], [], Findings(folder))
    index = ImageIndex(folder)
    for file in files:
        root = _parse(file)
        if root.find("track") is not None:
            raise DatasetError(
                f"{file}: tracks of a video; export the task as 'CVAT for images 1.1'"
            )
        names = [node.text or "" for node in root.iterfind(".//labels/label/name")]
        result.classes += [name for name in names if name not in result.classes]
        for node in root.iter("image"):
            name = node.get("name", "")
            image = index.find(name, file.parent)
            if image is None:
                result.findings.error("image", str(file), f"there is no image {name!r}")
                continue
            size = index.size(image)
            told = (_number(node.get("width")), _number(node.get("height")))
            if size is None:
                result.findings.error("broken", "", f"{image}: {index.fault(image)}")
                continue
            if None not in told and told != size:
                message = f"is {told[0]:g}x{told[1]:g} there, and {size[0]}x{size[1]} as a file"
                result.findings.error("size", f"{file}, image {name!r}", message)
            place = f"{file}, image {name!r}"
            objects = [one for part in node if (one := _cvat_object(part, place, size, result))]
            split = split_of([node.get("subset", "")]) or split_of(Path(name).parts[:-1])
            result.images.append(AnnotatedImage(image, *size, objects, split))
    found = {one.name for image in result.images for one in image.objects}
    result.classes = result.classes or sorted(found)
    return result


def _voc_object(node: ET.Element, place: str, result: AnnotatedImages) -> ObjectOf | None:
    name = (node.findtext("name") or "").strip()
    if not name:
        result.findings.error("name", place, "has no name")
        return None
    outline = node.find("polygon")
    polygon = None if outline is None else _voc_polygon(outline)
    if outline is not None and polygon is None:
        message = (
            "its polygon is not of three points or more: x1, y1, x2, y2, ..., or pt of x and y"
        )
        result.findings.error("polygon", place, message)
        return None
    if (_number(node.findtext("difficult")) or 0) != 0:
        result.dropped["marks 'difficult': their objects are taken like the others"] += 1
    if node.find("bndbox") is None and polygon is not None:
        return ObjectOf(name, polygon_box([polygon]), [polygon])
    corners = [_number(node.findtext(f"bndbox/{key}")) for key in ("xmin", "ymin", "xmax", "ymax")]
    if any(one is None for one in corners):
        result.findings.error("bndbox", place, "has no bndbox of four numbers")
        return None
    x1, y1, x2, y2 = (float(one) for one in corners if one is not None)
    if x2 <= x1 or y2 <= y1:
        result.findings.error("corners", place, f"its bndbox {corners} has no area")
        return None
    return ObjectOf(name, (x1, y1, x2 - x1, y2 - y1), [polygon] if polygon else None)


def _voc_polygon(node: ET.Element) -> list[float] | None:
    """The outline of an object, x1, y1, x2, y2, ...; None where it is none."""
    points = node.findall("pt")
    texts = [one.findtext(key) for one in points for key in ("x", "y")]
    if not points:
        count = len(node) // 2
        texts = [node.findtext(f"{key}{n}") for n in range(1, count + 1) for key in ("x", "y")]
    numbers = [_number(text) for text in texts]
    known = [one for one in numbers if one is not None]
    return known if len(known) == len(numbers) >= 6 else None


def _check_name(
    name: str, image: Path, file: Path, index: ImageIndex, result: AnnotatedImages
) -> None:
    """Two images that may be meant: that of the file's own name, and that which it names."""
    other = index.find(name, file.parent) if name else None
    if other is not None and other.stem != image.stem:
        message = f"its 'filename' is {name!r}, and {image.name} is there too: that one is taken"
        result.findings.warning("filename", str(file), message)


def _shift_boxes(result: AnnotatedImages) -> None:
    """Make boxes count from 0, with their end behind the last pixel."""
    boxes = [(image, one) for image in result.images for one in image.objects]
    if not boxes:
        return
    least = min(min(one.box[:2]) for _, one in boxes)
    if least < 1 or least > 1:  # counted from 0; or nothing tells of another origin
        return
    beyond = any(
        one.box[0] + one.box[2] > image.width or one.box[1] + one.box[3] > image.height
        for image, one in boxes
    )
    longer = 0 if beyond else 1  # some tools add 1 to all four numbers
    for _, one in boxes:
        x, y, width, height = one.box
        one.box = (x - 1, y - 1, width + longer, height + longer)
        if one.mask is not None:
            one.mask = [[value - 1 for value in polygon] for polygon in one.mask]


def _check_size(
    root: ET.Element, file: Path, size: tuple[int, int], result: AnnotatedImages
) -> None:
    told = (_number(root.findtext("size/width")), _number(root.findtext("size/height")))
    if None not in told and 0 not in told and told != size:
        message = f"its size is {told[0]:g}x{told[1]:g}, that of the image {size[0]}x{size[1]}"
        result.findings.error("size", str(file), message)


def _cvat_object(
    part: ET.Element, place: str, size: tuple[int, int], result: AnnotatedImages
) -> ObjectOf | None:
    name = part.get("label", "")
    try:
        if part.tag == "box":
            x1, y1, x2, y2 = (float(part.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
            if float(part.get("rotation", 0)):
                result.dropped["rotations of boxes"] += 1
            return ObjectOf(name, (x1, y1, x2 - x1, y2 - y1))
        if part.tag == "polygon":
            pairs = [pair.split(",") for pair in part.attrib["points"].split(";")]
            polygon = [float(value) for pair in pairs for value in pair]
            if any(len(pair) != 2 for pair in pairs):
                raise ValueError("points are two numbers each, 'x,y;x,y;x,y'")
            if len(pairs) < 3:
                raise ValueError(f"{len(pairs)} points, fewer than 3")
            return ObjectOf(name, polygon_box([polygon]), [polygon])
        if part.tag == "mask":
            return _cvat_mask(part, name, size)
    except (KeyError, ValueError) as error:
        told = f"has no {error}" if isinstance(error, KeyError) else str(error)
        result.findings.error("values", place, f"a {part.tag} of {name!r} is broken: {told}")
        return None
    result.dropped[f"{part.tag}: no object with an extent"] += 1
    return None


def _cvat_mask(part: ET.Element, name: str, size: tuple[int, int]) -> ObjectOf:
    """Run lengths along the rows of a rectangle, the first of pixels that are not set."""
    left, top, width, height = (int(part.attrib[key]) for key in ("left", "top", "width", "height"))
    counts = [int(one) for one in part.attrib["rle"].split(",")]
    if min(counts) < 0 or sum(counts) != width * height:
        raise ValueError(f"run lengths of {sum(counts)} pixels for {width}x{height}")
    if min(left, top) < 0 or left + width > size[0] or top + height > size[1]:
        raise ValueError(f"it reaches beyond the image of {size[0]}x{size[1]}")
    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    mask = np.zeros((size[1], size[0]), bool)
    mask[top : top + height, left : left + width] = values.reshape(height, width)
    return ObjectOf(name, (left, top, width, height), run_lengths(mask))


def _voc_splits(folder: Path, stems: set[str], result: AnnotatedImages) -> dict[str, str]:
    """Stem -> split, from the lists of names; what does not fit is counted."""
    listed = listed_splits(folder, "Main", stems, result.dropped)
    lost = sum(name not in stems for name in listed)
    if lost:
        result.dropped["names in ImageSets/Main without an XML file"] += lost
    return listed


def _xml_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.xml"))


def _root_tag(file: Path) -> str:
    try:
        for _, node in ET.iterparse(file, events=("start",)):
            return node.tag
    except (ET.ParseError, OSError):
        # Told when it is read.
        return "annotation"
    return ""


def _parse(file: Path) -> ET.Element:
    try:
        return ET.parse(file).getroot()
    except ET.ParseError as error:
        raise DatasetError(f"{file}: is no whole XML: {error}") from error


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
