"""Checks of label maps: what each pixel's number means to a loader, in all files of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .annotations.images_check import pixel_fault
from .annotations.usage import Usage
from .findings import Findings
from .images.facts import ImageFacts, look_at
from .images.reading import Loader

#: MMSegmentation keeps labels in 8 bits.
LARGEST_LABEL = 255
#: From such a share on, maps of one kind are no slip of a few.
SOME = 0.05


@dataclass(frozen=True)
class LabelRules:
    """How a data set reads its label maps, in MMSegmentation's words.

    Attributes:
        names: of all classes that the files count, in the order of their numbers; may be empty.
        classes: those that are learnt.
        ignore_index: the number that stands for no class.
        reduce_zero_label: 0 is ignored, and every other number counts one less.
        backend: that decodes the maps.
        loader: of the images.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    ignore_index: int = 255
    reduce_zero_label: bool = False
    backend: str = "pillow"
    loader: Loader = Loader()

    def name_of(self, value: int) -> str | None:
        """The class behind a number on disk; None where it is ignored.

        Raises:
            IndexError: it is none.

        >>> LabelRules(("cat", "dog"), ("cat", "dog"), reduce_zero_label=True).name_of(2)
        'dog'
        """
        if self.reduce_zero_label:
            if value == 0:
                return None
            value = LARGEST_LABEL if value == LARGEST_LABEL else value - 1
        if value in (self.ignore_index, LARGEST_LABEL):
            return None
        if not 0 <= value < len(self.names):
            raise IndexError(value)
        return self.names[value]


def check_label_maps(
    pairs: Sequence[tuple[Path, Path | None]],
    rules: LabelRules,
    findings: Findings,
    maps: Mapping[Path, ImageFacts] | None = None,
) -> tuple[Usage, set[tuple[int, int]]]:
    """Look at every image and every label map of a split.

    Args:
        pairs: images and their maps; None where there are none.
        rules: how they are read.
        findings: receives what is wrong.
        maps: the facts of the label maps, where they are known.

    Returns:
        What is used, in pixels; and the sizes (height, width) of the images.
    """
    images = look_at([image for image, _ in pairs])
    if maps is None:
        maps = look_at([one for _, one in pairs if one], labels=True, title="label maps")
    usage = Usage(unit="pixels", all_images=len(pairs))
    counts: Counter[int] = Counter()
    seen_in: Counter[int] = Counter()
    of_two: list[Path] = []
    sizes = set()
    for image, file in pairs:
        facts = images[image]
        if facts.fault is not None:
            findings.error("image", str(image), facts.fault)
            continue
        told = pixel_fault(facts, rules.loader)
        if told is not None:
            findings.error("pixels", str(image), told[1])
        sizes.add(facts.size(rules.loader))
        usage.images += 1
        if file is not None and _map_is_good(file, maps[file], image, facts, rules, findings):
            labels = maps[file].labels or {}
            _check_range(file, labels, rules, findings)
            counts.update(labels)
            seen_in.update(labels.keys())
            if set(labels) == {0, 255}:
                of_two.append(file)
    _check_all_values(counts, rules, findings)
    if len(of_two) >= max(2, SOME * len(maps)):
        _warn_of_255(of_two, len(maps), rules, findings)
    _count(usage, counts, seen_in, rules)
    return usage, sizes


def _map_is_good(
    file: Path,
    facts: ImageFacts,
    image: Path,
    image_facts: ImageFacts,
    rules: LabelRules,
    findings: Findings,
) -> bool:
    if facts.fault is not None:
        fault = facts.fault.replace("no such image", f"no such label map (of {image})")
        findings.error("label map", str(file), fault)
        return False
    if facts.file_format == "JPEG":
        message = "is a JPEG, which changes the numbers of classes; write label maps as PNG"
        findings.error("jpeg", str(file), message)
        return False
    if facts.mode in ("P", "1") and rules.backend == "cv2":
        what = "has a palette, and OpenCV reads its colours in place of its numbers"
        if facts.mode == "1":
            what = "is of 1 bit, and OpenCV reads 255 in place of 1"
        message = f"{what}: LoadAnnotations(imdecode_backend='pillow')"
        findings.error("palette", str(file), message)
        return False
    if facts.labels is None and facts.mode == "F":
        message = "is of mode F, numbers with fractions; write label maps as PNG of 8 bits"
        findings.error("floats", str(file), message)
        return False
    if facts.labels is None:
        message = (
            f"is an image of mode {facts.mode}, no map of one number a pixel; give each colour "
            "the number of its class: labels = np.zeros(rgb.shape[:2], np.uint8); "
            "labels[(rgb == (128, 0, 0)).all(-1)] = 1; ..."
        )
        findings.error("colours", str(file), message)
        return False
    # Label maps are read as they are stored, never turned, but for TIFF.
    size = facts.size(Loader("unchanged", rules.backend))
    wanted = image_facts.size(rules.loader)
    if size != wanted:
        findings.error(
            "size",
            str(file) if "size" in findings else "",
            f"{file} is {size[1]}x{size[0]} (width x height), its image {image} as it is loaded "
            f"{wanted[1]}x{wanted[0]}",
        )
        return False
    return True


def _check_range(file: Path, labels: dict[int, int], rules: LabelRules, findings: Findings) -> None:
    large = [value for value in labels if value > LARGEST_LABEL]
    if large:
        message = (
            f"holds {max(large)}, and MMSegmentation keeps labels in 8 bits "
            f"({max(large)} becomes {max(large) % 256})"
        )
        findings.error("deep", str(file), message)
        return
    if not rules.names:
        return
    shift = int(rules.reduce_zero_label)
    for value in sorted(labels, reverse=True):
        try:
            rules.name_of(value)
        except IndexError:
            findings.error(
                "range",
                str(file) if "range" in findings else "",
                f"{file}: holds label {value} ({labels[value]} pixels), and there are "
                f"{len(rules.names)} classes (labels {shift} to {len(rules.names) - 1 + shift}, "
                f"{rules.ignore_index} is ignored)",
            )
            return


def _check_all_values(counts: Counter[int], rules: LabelRules, findings: Findings) -> None:
    """What all maps together tell: 0 and 255 for 0 and 1, one class left of several."""
    if not counts or len(rules.classes) < 2 or findings.of("error"):
        return
    if set(counts) == {0, 255} and not rules.reduce_zero_label and rules.ignore_index == 255:
        findings.error(
            "0 and 255",
            "",
            "all label maps hold only 0 and 255, and 255 is ignored: write 1 for "
            f"{rules.names[1]!r} (`resblock check --fix OUT` does)",
        )
        return
    used = {rules.name_of(value) for value in counts} - {None}
    if len(used) == 1:
        why = " once reduce_zero_label=True has made 0 ignored" if rules.reduce_zero_label else ""
        findings.error(
            "one class",
            "",
            f"label maps hold {sorted(counts)}: all pixels are of {used.pop()!r}{why}, of "
            f"{len(rules.classes)} classes",
        )


def _warn_of_255(of_two: list[Path], files: int, rules: LabelRules, findings: Findings) -> None:
    """Some of the maps come from a tool that writes 255 for what others call 1."""
    if findings.of("error") or rules.reduce_zero_label or len(rules.names) < 2:
        return
    findings.warning(
        "some 0 and 255",
        "",
        f"{len(of_two)} of {files} label maps hold only 0 and 255, and 255 is ignored, the first "
        f"one {of_two[0]}: is 1 meant, {rules.names[1]!r}?",
    )


def _count(usage: Usage, counts: Counter[int], seen_in: Counter[int], rules: LabelRules) -> None:
    usage.all_objects = sum(counts.values())
    pixels: Counter[str] = Counter()
    images: Counter[str] = Counter()
    for value, count in counts.items():
        try:
            name = rules.name_of(value) if rules.names else str(value)
        except IndexError:
            usage.left_out_objects["of no class"] += count
            continue
        if name is None:
            usage.left_out_objects[f"ignored ({value})"] += count
        elif rules.classes and name not in rules.classes:
            usage.left_out_objects["of classes that the config leaves out"] += count
        else:
            pixels[name] += count
            images[name] = max(images[name], seen_in[value])
    usage.objects = sum(pixels.values())
    names = rules.classes or tuple(sorted(pixels))
    usage.per_class = {name: (pixels[name], images[name]) for name in names}
