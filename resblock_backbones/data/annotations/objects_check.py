"""Every value of an object that a loader or an evaluator reads: id, box, area, crowd, mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..findings import shown
from .boxes_and_masks import Comparison
from .document import CocoDocument, Entry, place_of
from .masks import mask_fault, outline
from .values import box_fault, id_fault, is_box, number_fault

#: An area may exceed that of its box by the pixels at the border, not by half.
AREA_TO_BOX = 1.5
#: Of a box even a thin object fills more than one part in so many.
BOX_TO_AREA = 100
#: So many objects tell whether boxes are what they look like.
COMPARED = 2000


def check_objects(document: CocoDocument, *, masks: bool) -> None:
    """Check the values of all objects.

    Args:
        document: receives the findings; areas, crowds and ids that are certain are filled in.
        masks: whether masks are read; where they are not, they still tell of the first
            :data:`COMPARED` objects whether their boxes are what they look like.
    """
    images = {one["id"]: one for _, one in document.images}
    comparison = Comparison(document.findings, masks=masks)
    _check_ids(document)
    _check_copies(document)
    for number, entry in document.annotations:
        place = place_of("annotations", number, entry)
        fault = "has no 'bbox'" if "bbox" not in entry else box_fault(entry["bbox"])
        if fault is not None:
            document.findings.error("bbox", place, fault)
        _check_crowd(document, entry, place)
        if fault is None:
            _check_flat(document, entry, place)
        _check_area(document, entry, place, box_is_good=fault is None)
        image = images[entry["image_id"]]
        if not masks and comparison.compared == COMPARED:
            continue
        if _mask_is_good(document, entry, place, image, told=masks) and fault is None:
            comparison.add(place, entry["bbox"], outline(entry["segmentation"]))
    comparison.tell()


def _check_ids(document: CocoDocument) -> None:
    """Annotation ids have to differ; 0, text and negative ones are numbered anew.

    pycocotools keeps the id of the object that a detection matches, and takes 0 for none.
    """
    seen: dict[Any, int] = {}
    anew = False
    for number, entry in document.annotations:
        value: Any = entry.get("id")
        if "id" not in entry:
            message = "has no 'id'; `resblock check --fix OUT` numbers them"
            document.findings.error("no id", f"annotations[{number}]", message)
            continue
        fault = id_fault(value)
        if fault is not None:
            document.findings.error("id", f"annotations[{number}]", f"its 'id' {fault}")
            continue
        if value in seen:
            document.findings.error(
                "repeated id",
                f"annotations[{number}]",
                f"has the id {shown(value)} of annotations[{seen[value]}]; every id has to be "
                "unique: `resblock check --fix OUT` numbers them anew",
            )
        seen.setdefault(value, number)
        # Larger ones lose digits in the floats in which pycocotools keeps them.
        anew |= isinstance(value, str) or not 0 < value < 2**53
    if anew and not document.findings.of("error"):
        for index, (_, entry) in enumerate(document.annotations, start=1):
            entry["id"] = index
        message = "annotation ids that evaluation cannot use (0, negative, text): numbered from 1"
        document.findings.note("ids", "", message)


def _check_copies(document: CocoDocument) -> None:
    """One object that stands twice is counted twice, and missed once."""
    seen: dict[Any, int] = {}
    for number, entry in document.annotations:
        if not is_box(entry.get("bbox")):
            continue
        key = (entry["image_id"], entry["category_id"], *entry["bbox"])
        if key in seen:
            place = place_of("annotations", number, entry)
            message = f"has image, category and box of annotations[{seen[key]}]: one object twice?"
            document.findings.warning("copies", place, message)
        seen.setdefault(key, number)


def _check_crowd(document: CocoDocument, entry: Entry, place: str) -> None:
    for key in ("iscrowd", "ignore"):
        value = entry.get(key)
        if value is None:
            entry.pop(key, None)
            if key == "iscrowd":
                entry[key] = 0
                document.findings.note("iscrowd", place, "has no 'iscrowd': 0 is taken")
        elif not isinstance(value, int | float) or value not in (0, 1):
            message = f"its {key!r} is {shown(value)}, neither 0 nor 1"
            document.findings.error(key, place, message)
        else:
            entry[key] = int(value)


def _check_flat(document: CocoDocument, entry: Entry, place: str) -> None:
    if not entry["bbox"][2] or not entry["bbox"][3]:
        message = f"its 'bbox' {entry['bbox']} has no area: not learnt, always missed"
        document.findings.warning("flat", place, message)


def _check_area(document: CocoDocument, entry: Entry, place: str, box_is_good: bool) -> None:
    value = entry.get("area")
    fault = None if value is None else number_fault(value)
    if fault is None and value is not None and value < 0:
        fault = f"is {value}, negative"
    if fault is not None:
        document.findings.error("area", place, f"its 'area' {fault}")
        return
    if not box_is_good:
        return
    of_box = entry["bbox"][2] * entry["bbox"][3]
    if not value:
        if value is None or of_box > 0:
            entry["area"] = of_box
            what = "has no 'area'" if value is None else "its 'area' is 0"
            document.findings.note("area", place, f"{what}: that of its box is taken")
    elif of_box > 0 and (value > AREA_TO_BOX * of_box + 4 or value * BOX_TO_AREA < of_box):
        message = f"its 'area' is {value:g}, that of its box {of_box:g}"
        document.findings.warning("area and box", place, message)


def _mask_is_good(
    document: CocoDocument, entry: Entry, place: str, image: Mapping[str, Any], *, told: bool
) -> bool:
    """Whether an object has a mask without a fault; a fault is told where masks are read."""
    if "segmentation" not in entry:
        if told:
            document.findings.error("no mask", place, "has no 'segmentation', and masks are learnt")
        return False
    if number_fault(image.get("height")) or number_fault(image.get("width")):
        return False
    fault = mask_fault(entry["segmentation"], image["height"], image["width"])
    if fault is not None and told:
        document.findings.error("mask", place, f"its 'segmentation' {fault}")
    return fault is None
