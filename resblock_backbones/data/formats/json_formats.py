"""LabelMe's JSON, a file an image, and Label Studio's, one file of all tasks."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from ..annotations.json_files import read_json
from ..findings import Findings, shown
from .dataset import AnnotatedImage, AnnotatedImages, ImageIndex, ObjectOf, polygon_box, split_of

#: The label that LabelMe's own converters leave out.
IGNORED = "__ignore__"
#: What Label Studio puts before the name of an uploaded file.
UPLOAD = re.compile(r"^[0-9a-f]{8}-")


def json_files(folder: Path) -> list[Path]:
    """All JSON files below a folder, but for those that are hidden or in hidden folders."""
    found = sorted(folder.rglob("*.json"))
    return [file for file in found if not _is_hidden(file.relative_to(folder))]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def json_kind(file: Path) -> str | None:
    """Which format a JSON file is of: ``coco``, ``labelme``, ``label studio``; None is another.

    Raises:
        DatasetError: it is no JSON: half a file must not be half a data set.
    """
    content = read_json(file)
    if isinstance(content, dict):
        if isinstance(content.get("images"), list) and "categories" in content:
            return "coco"
        is_labelme = isinstance(content.get("shapes"), list) or {"shapes", "imagePath"} <= set(
            content
        )
        return "labelme" if is_labelme else None
    if isinstance(content, list) and any(_is_task(one) for one in content):
        return "label studio"
    return None


def _is_task(one: Any) -> bool:
    """Whether it is a task of Label Studio that somebody has worked on."""
    if not isinstance(one, dict):
        return False
    return "annotation_id" in one or ("annotations" in one and isinstance(one.get("data"), dict))


def read_labelme(folder: Path, files: list[Path]) -> AnnotatedImages:
    """Read LabelMe's files: polygons, rectangles and circles; parts of one group are one object."""
    result = AnnotatedImages("LabelMe", [], [], Findings(folder))
    index = ImageIndex(folder)
    for file in files:
        content = read_json(file)
        if not isinstance(content["shapes"], list):
            message = f"its 'shapes' is {shown(content['shapes'])}, no list"
            result.findings.error("shapes", str(file), message)
            continue
        name = str(content.get("imagePath") or file.stem)
        image = index.find(name, file.parent) or index.find(file.stem, file.parent)
        inside = "; its 'imageData' holds it: labelme_export_json of LabelMe writes it as a file"
        hint = inside if content.get("imageData") else ""
        size = _size(image, name, file, index, result, hint)
        if image is None or size is None:
            continue
        told = (content.get("imageWidth"), content.get("imageHeight"))
        if None not in told and [str(one) for one in told] != [str(one) for one in size]:
            message = f"its image is {told[0]}x{told[1]}, the file {size[0]}x{size[1]}"
            result.findings.error("size", str(file), message)
        objects = list(_labelme_objects(content["shapes"], file, result))
        split = split_of(file.relative_to(folder).parts[:-1])
        result.images.append(AnnotatedImage(image, *size, objects, split))
    result.classes = sorted({one.name for image in result.images for one in image.objects})
    return result


def read_label_studio(folder: Path, files: list[Path]) -> AnnotatedImages:
    """Read Label Studio's JSON and JSON-MIN: rectangles, also turned ones, and polygons."""
    result = AnnotatedImages("Label Studio", [], [], Findings(folder))
    index = ImageIndex(folder)
    for file in files:
        for number, task in enumerate(read_json(file)):
            place = f"{file}, task {number}"
            name, regions = _task(task, result)
            if name is None:
                result.findings.error("task", place, "names no image")
                continue
            image = index.find(name, file.parent)
            if image is None:
                image = index.find(UPLOAD.sub("", Path(name).name), file.parent)
            size = _size(image, name, file, index, result)
            if image is None or size is None:
                continue
            objects = []
            for region in regions:
                try:
                    _check_original_size(region, size, name)
                    one = _region(region, size, result)
                except (AttributeError, LookupError, TypeError, ValueError) as error:
                    told = f"has no {error}" if isinstance(error, KeyError) else str(error)
                    result.findings.error("region", place, f"a region is broken: {told}")
                    continue
                if one is not None:
                    objects.append(one)
            result.images.append(AnnotatedImage(image, *size, objects, split_of(Path(name).parts)))
    result.classes = sorted({one.name for image in result.images for one in image.objects})
    return result


def _size(
    image: Path | None,
    name: str,
    file: Path,
    index: ImageIndex,
    result: AnnotatedImages,
    hint: str = "",
) -> tuple[int, int] | None:
    if image is None:
        result.findings.error("image", str(file), f"there is no image {name!r}{hint}")
        return None
    size = index.size(image)
    if size is None:
        result.findings.error("broken", "", f"{image}: {index.fault(image)}")
    return size


def _labelme_objects(shapes: list[Any], file: Path, result: AnnotatedImages) -> Iterator[ObjectOf]:
    groups: dict[tuple[Any, str], list[list[float]]] = {}
    for number, shape in enumerate(shapes):
        place = f"{file}, shapes[{number}]"
        try:
            name, kind = shape["label"], shape.get("shape_type") or "polygon"
            points = [(float(x), float(y)) for x, y in shape["points"]]
            polygon = _labelme_polygon(kind, points)
        except (KeyError, TypeError, ValueError) as error:
            message = "is broken: a 'label', a 'shape_type' and 'points' of two numbers each"
            told = f" ({error})" if isinstance(error, ValueError) else ""
            result.findings.error("shape", place, f"{message} make a shape{told}")
            continue
        if not isinstance(name, str) or not name.strip():
            result.findings.error("label", place, f"its 'label' is {shown(name)}, no name")
        elif name == IGNORED:
            result.dropped[f"shapes labelled {IGNORED!r}"] += 1
        elif polygon is None:
            result.dropped[f"shapes of type {kind!r}: no object with an extent"] += 1
        else:
            group = shape.get("group_id")
            key = (number if group is None else f"group {group}", name)
            groups.setdefault(key, []).append(polygon)
    for (_, name), polygons in groups.items():
        yield ObjectOf(name, polygon_box(polygons), polygons)


def _labelme_polygon(kind: str, points: list[tuple[float, float]]) -> list[float] | None:
    if kind in ("rectangle", "circle") and len(points) < 2 or kind == "circle" and points[2:]:
        raise ValueError(f"{len(points)} points")
    if kind == "rectangle":
        if len(points) == 3:
            raise ValueError("3 points")
        (x1, y1), (x2, y2) = points[0], points[-1] if len(points) == 2 else points[2]
        return [x1, y1, x2, y1, x2, y2, x1, y2]
    if kind == "circle":
        (x, y), (to_x, to_y) = points
        radius = math.hypot(to_x - x, to_y - y)
        turns = [2 * math.pi * step / 64 for step in range(64)]
        return [
            value for t in turns for value in (x + radius * math.cos(t), y + radius * math.sin(t))
        ]
    if kind == "polygon":
        if len(points) < 3:
            raise ValueError(f"{len(points)} points")
        return [value for point in points for value in point]
    return None


def _task(task: Any, result: AnnotatedImages) -> tuple[str | None, list[dict[str, Any]]]:
    """The image and the regions of a task."""
    if not isinstance(task, dict):
        return None, []
    data: dict[str, Any] = task["data"] if isinstance(task.get("data"), dict) else task
    name = next((_path(one) for one in data.values() if _is_image(one)), None)
    if data is task:  # JSON-MIN: the regions stand beside the image
        lists = [part for one in task.values() if isinstance(part := _unpacked(one), list)]
        regions = [{"value": one} for part in lists for one in part if isinstance(one, dict)]
        if not regions and isinstance(task.get("label"), str):
            result.dropped["labels that are texts: of the whole image, no regions in it"] += 1
        return name, regions
    given = task.get("annotations") or []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        result.findings.error("annotations", str(name), "its 'annotations' are no list of objects")
        return name, []
    done = [one for one in given if not one.get("was_cancelled")]
    if not done:
        result.dropped["tasks without an annotation: taken as without objects"] += 1
    if len(done) > 1:
        result.dropped["further annotations of a task: the first one is taken"] += len(done) - 1
    if len(done) < len(given):
        result.dropped["annotations that were cancelled"] += len(given) - len(done)
    regions = done[0].get("result") if done else []
    return name, regions if isinstance(regions, list) else []


def _unpacked(value: Any) -> Any:
    """What tables of Label Studio hold as text, a list in JSON, as the list."""
    if not isinstance(value, str) or not value.startswith("["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _check_original_size(region: dict[str, Any], size: tuple[int, int], name: str) -> None:
    """Its numbers are per cent: a smaller copy of the image is as good, a turned one is not.

    Raises:
        ValueError: the image had other sides when it was labelled.
    """
    told = (region.get("original_width"), region.get("original_height"))
    if None in told:
        return
    width, height = (float(one) for one in told)  # type: ignore[arg-type]
    # The sides of a copy are rounded to whole pixels.
    if abs(width * size[1] - height * size[0]) > max(width, height, *size):
        raise ValueError(
            f"{name} was {width:g}x{height:g} when it was labelled, and is {size[0]}x{size[1]}"
        )


def _region(
    region: dict[str, Any], size: tuple[int, int], result: AnnotatedImages
) -> ObjectOf | None:
    """An object from a region, whose numbers are per cent of the image."""
    value = region["value"]
    if not isinstance(value, dict):
        raise ValueError(f"its 'value' is {shown(value)}")
    kind = next((one for one in value if one.endswith("labels")), region.get("type", "region"))
    names = value.get(kind) or []
    if kind in ("choices", "relation", "textarea") or not names:
        result.dropped[f"regions of type {kind!r}"] += 1
        return None
    across, down = size[0] / 100, size[1] / 100
    names = [names] if isinstance(names, str) else names
    if len(names) > 1:
        result.dropped["further labels of a region: the first one is taken"] += len(names) - 1
    name = str(names[0])
    if "points" in value:
        polygon = [
            part for x, y in value["points"] for part in (float(x) * across, float(y) * down)
        ]
        if len(polygon) < 6:
            raise ValueError("a polygon of fewer than 3 points")
        return ObjectOf(name, polygon_box([polygon]), [polygon])
    if "rle" in value or "width" not in value or kind.startswith("keypoint"):
        result.dropped[f"regions of type {kind!r}"] += 1
        return None
    x, y = float(value["x"]) * across, float(value["y"]) * down
    width, height = float(value["width"]) * across, float(value["height"]) * down
    angle = math.radians(float(value.get("rotation") or 0))
    if not angle:
        return ObjectOf(name, (x, y, width, height))
    cosine, sine = math.cos(angle), math.sin(angle)
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    polygon = [
        part for u, v in corners for part in (x + u * cosine - v * sine, y + u * sine + v * cosine)
    ]
    return ObjectOf(name, polygon_box([polygon]), [polygon])


def _is_image(value: Any) -> bool:
    suffixes = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
    return isinstance(value, str) and _path(value).lower().endswith(suffixes)


def _path(value: str) -> str:
    """The path inside an address; Label Studio's local files name theirs in `?d=`."""
    address = urlparse(value)
    local = parse_qs(address.query).get("d")
    return local[0] if local else unquote(address.path)
