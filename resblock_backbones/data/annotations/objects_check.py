"""Every value of an object that a loader or an evaluator reads: id, box, area, crowd, mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..findings import shown
from .boxes_and_masks import Comparison
from .document import CocoDocument, Entry, place_of
from .masks import Outline, mask_fault, outline
from .values import box_fault, id_fault, is_box, number_fault

#: An area may exceed that of its box by the pixels at the border, not by half.
AREA_TO_BOX = 1.5
#: Of a box even a thin object fills more than one part in so many.
BOX_TO_AREA = 100
#: Of a mask as drawn, an area is no smaller part than one in so many.
MASK_TO_AREA = 2
#: So many objects tell whether boxes are what they look like.
COMPARED = 2000


def check_objects(document: CocoDocument, *, masks: bool | None) -> None:
    """Check the values of all objects.

    Args:
        document: receives the findings; areas, crowds and ids that are certain are filled in.
        masks: whether masks are read; where they are not, they still tell of the first
            :data:`COMPARED` objects whether their boxes are what they look like. None: they are
            read where objects have them, and need not be there.
    """
    images = {one["id"]: one for _, one in document.images}
    comparison = Comparison(document.findings, masks=masks is not False)
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
        if masks is False and comparison.compared == COMPARED:
            continue
        if _mask_is_good(document, entry, place, image, masks=masks) and fault is None:
            found = outline(entry["segmentation"])
            comparison.add(place, entry["bbox"], found)
            _compare_areas(document, entry, place, found)
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
                "unique: `resblock check --fix OUT` renumbers them",
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


def _compare_areas(document: CocoDocument, entry: Entry, place: str, found: Outline | None) -> None:
    """The area of a mask, or anything up to that of the box; sizes of objects go by it."""
    value: Any = entry.get("area")
    if found is None or number_fault(value) is not None or "area and box" in document.findings:
        return
    # Polygons may lie on each other: the largest covers at least so much.
    pieces = len(entry["segmentation"]) if isinstance(entry["segmentation"], list) else 1
    if 0 < value * pieces * MASK_TO_AREA < found.area - 4:
        message = f"its 'area' is {value:g}, that of its mask {found.area:g}"
        document.findings.warning("area and mask", place, message)


def _mask_is_good(
    document: CocoDocument,
    entry: Entry,
    place: str,
    image: Mapping[str, Any],
    *,
    masks: bool | None,
) -> bool:
    """Whether an object has a mask without a fault; a fault is told where masks are read."""
    mask = entry.get("segmentation")
    if masks is None and not mask:
        message = "has no mask: a model of masks cannot learn from it, one of boxes can"
        document.findings.warning("no mask", place, message)
        return False
    if "segmentation" not in entry:
        if masks:
            document.findings.error("no mask", place, "has no 'segmentation', and masks are learnt")
        return False
    if number_fault(image.get("height")) or number_fault(image.get("width")):
        return False
    fault = mask_fault(mask, image["height"], image["width"])
    if fault is not None and masks is not False:
        document.findings.error("mask", place, f"its 'segmentation' {fault}")
    return fault is None
