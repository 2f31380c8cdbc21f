"""What a loader will use of a file: images and objects, per class, and why the rest is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..findings import Findings
from .document import CocoDocument, Entry

#: A larger share that is left out is worth a warning.
FEW = 0.05
#: Reasons that somebody chose, or that follow from another one.
CHOSEN = ("of categories that are no", "of classes that the config", "ignored", "their image")


@dataclass(frozen=True)
class Rules:
    """How a data set of MMDetection chooses, in its words.

    Attributes:
        classes: names that are learnt.
        test_mode: every image is used.
        filter_empty_gt: images without an object of these classes are left out.
        min_size: images with a shorter side are left out.
    """

    classes: tuple[str, ...]
    test_mode: bool = False
    filter_empty_gt: bool = False
    min_size: float = 0


@dataclass
class Usage:
    """What is used, and what is not.

    Attributes:
        images, objects: used.
        all_images, all_objects: in the file.
        per_class: class -> objects used, images with such.
        left_out_images, left_out_objects: reason -> how many.
        unit: what objects are called: ``objects``, or ``pixels`` of label maps.
    """

    images: int = 0
    objects: int = 0
    all_images: int = 0
    all_objects: int = 0
    per_class: dict[str, tuple[int, int]] = field(default_factory=dict)
    left_out_images: Counter[str] = field(default_factory=Counter)
    left_out_objects: Counter[str] = field(default_factory=Counter)
    unit: str = "objects"

    def table(self, title: str) -> str:
        """A few lines for people: the sums, a line a class, what is left out and why."""
        lines = [
            f"{title}: {self.images} of {self.all_images} images, "
            f"{self.objects} of {self.all_objects} {self.unit}"
        ]
        width = max((len(name) for name in self.per_class), default=0)
        for name, (objects, images) in self.per_class.items():
            lines.append(f"  {name:<{width}}  {objects:>8} {self.unit} in {images} images")
        for what, counter in (
            ("images", self.left_out_images),
            (self.unit, self.left_out_objects),
        ):
            for reason, count in counter.most_common():
                lines.append(f"  left out: {count} {what}: {reason}")
        return "\n".join(lines)


def usage_of(document: CocoDocument, rules: Rules) -> Usage:
    """Count as the loader does it; the document has no errors."""
    names = {one["id"]: one["name"] for _, one in document.categories}
    images = {one["id"]: one for _, one in document.images}
    result = Usage(all_images=len(images), all_objects=len(document.annotations))
    with_class = {
        one["image_id"]
        for _, one in document.annotations
        if names[one["category_id"]] in rules.classes
    }
    used_images = set()
    for key, image in images.items():
        reason = _image_reason(image, key in with_class, rules)
        if reason is None:
            used_images.add(key)
        else:
            result.left_out_images[reason] += 1
    result.images = len(used_images)
    objects: Counter[str] = Counter()
    seen_in: dict[str, set[Any]] = {name: set() for name in rules.classes}
    for _, entry in document.annotations:
        name = names[entry["category_id"]]
        reason = _object_reason(entry, images[entry["image_id"]], name, rules)
        if reason is None and entry["image_id"] not in used_images:
            reason = "their image is left out"
        if reason is None:
            objects[name] += 1
            seen_in[name].add(entry["image_id"])
        else:
            result.left_out_objects[reason] += 1
    result.objects = sum(objects.values())
    result.per_class = {name: (objects[name], len(seen_in[name])) for name in rules.classes}
    return result


def check_usage(usage: Usage, findings: Findings, *, training: bool, title: str) -> None:
    """Nothing left is an error; a class without objects, or much left out, a warning.

    Args:
        usage: what is used.
        findings: receives them.
        training: whether the split is learnt from; else it is measured on.
        title: of the split.
    """
    if not usage.images or not usage.objects:
        what = "images" if not usage.images else usage.unit
        total = usage.all_images if what == "images" else usage.all_objects
        lost = usage.left_out_images if what == "images" else usage.left_out_objects
        reasons = "; ".join(f"{count} {reason}" for reason, count in lost.most_common(3))
        purpose = "to learn from" if training else "to compare predictions with"
        findings.error(
            "nothing left",
            title,
            f"0 of {total} {what} are used, nothing {purpose}"
            + (f": {reasons}" if reasons else f": there are no {what}"),
        )
        return
    empty = [name for name, (objects, _) in usage.per_class.items() if not objects]
    if empty:
        findings.warning(
            "empty class",
            title,
            f"no {usage.unit} of {len(empty)} of {len(usage.per_class)} classes: "
            + ", ".join(map(repr, empty[:8]))
            + (", ..." if len(empty) > 8 else ""),
        )
    for what, total, lost in (
        ("images", usage.all_images, usage.left_out_images),
        (usage.unit, usage.all_objects, usage.left_out_objects),
    ):
        unwanted = Counter({why: n for why, n in lost.items() if not why.startswith(CHOSEN)})
        if total and sum(unwanted.values()) > FEW * total:
            reasons = "; ".join(f"{count} {why}" for why, count in unwanted.most_common(3))
            share = sum(unwanted.values()) / total
            message = f"{share:.0%} of the {what} are left out: {reasons}"
            findings.warning(f"{what} left out", title, message)


def _image_reason(image: Entry, has_objects: bool, rules: Rules) -> str | None:
    if rules.test_mode:
        return None
    if rules.filter_empty_gt and not has_objects:
        return "without objects of the classes (filter_empty_gt)"
    if min(image["width"], image["height"]) < rules.min_size:
        return f"smaller than min_size={rules.min_size:g}"
    return None


def _object_reason(entry: Entry, image: Mapping[str, Any], name: str, rules: Rules) -> str | None:
    if name not in rules.classes:
        return "of categories that are no classes of the config"
    if entry.get("iscrowd"):
        return "marked with 'iscrowd': regions that are neither learnt nor counted as missed"
    if rules.test_mode:
        return None  # pycocotools compares with all others
    x, y, width, height = entry["bbox"]
    across = max(0, min(x + width, image["width"]) - max(x, 0))
    down = max(0, min(y + height, image["height"]) - max(y, 0))
    if entry.get("ignore"):
        return "marked with 'ignore'"
    if width < 1 or height < 1:
        return "narrower than a pixel"
    if across * down == 0:
        return "outside of their image"
    if entry["area"] <= 0:
        return "have area 0"
    return None


def merged(usages: Sequence[Usage]) -> Usage:
    """The sum of the usages of several files of one split."""
    total = Usage(unit=usages[0].unit)
    for one in usages:
        total.images += one.images
        total.objects += one.objects
        total.all_images += one.all_images
        total.all_objects += one.all_objects
        total.left_out_images += one.left_out_images
        total.left_out_objects += one.left_out_objects
        for name, (objects, images) in one.per_class.items():
            known = total.per_class.get(name, (0, 0))
            total.per_class[name] = (known[0] + objects, known[1] + images)
    return total
