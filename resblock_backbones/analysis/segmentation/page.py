"""The page about a segmentor's results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data_set.plots import bars, histogram
from ..detections.confusion import most_confused
from ..heatmap import counts_as_rows, heatmap
from ..report import Report
from .counts import BANDS, NEAR, ImagePixels, iou, nan_mean, shares

#: A class of which so many pixels are taken for another is a finding.
CONFUSED = 0.2
#: A share of the wrong pixels near to borders that is worth a finding.
AT_BORDERS = 0.5


def add_label_maps(
    report: Report, images: Sequence[ImagePixels], classes: Sequence[str]
) -> dict[str, float]:
    """Add all sections but the drawn images.

    Args:
        report: receives them.
        images: all; at least one has a pixel of a class.
        classes: names by label.

    Returns:
        Some of the numbers, in 0 to 1.
    """
    table = np.sum([one.table for one in images], 0)
    numbers = _add_classes(report, table, classes)
    _add_confusion(report, table, classes)
    _add_borders(report, images, table, classes)
    _add_images(report, images)
    return numbers


def worst_first(images: Sequence[ImagePixels]) -> list[ImagePixels]:
    """The images, the lowest mean IoU first; those without a pixel of a class are left out."""
    known = [one for one in images if one.table.sum()]
    return sorted(known, key=lambda one: one.mean_iou)


def _add_classes(report: Report, table: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    overlaps = iou(table)
    precision, recall = shares(table)
    pixels = table.sum(1)
    right = float(np.trace(table) / pixels.sum())
    numbers = {"mIoU": nan_mean(overlaps), "aAcc": right, "mAcc": nan_mean(recall)}
    report.section(
        "IoU of each class",
        "Over all pixels of all images: mean IoU "
        f"{numbers['mIoU']:.4f}, right pixels (aAcc) {right:.4f}, mean recall of the classes "
        f"(mAcc) {numbers['mAcc']:.4f}.",
    )
    figure = bars(classes, np.nan_to_num(overlaps), "IoU")
    report.plot("iou", figure, "IoU of each class")
    rows = [
        [name, *map(float, (overlaps[one], precision[one], recall[one])), int(pixels[one])]
        for one, name in enumerate(classes)
    ]
    rows.append(["(mean)", *map(nan_mean, (overlaps, precision, recall)), int(pixels.sum())])
    report.table("iou", ["class", "IoU", "precision", "recall", "pixels"], rows)
    absent = [name for name, count in zip(classes, pixels, strict=True) if not count]
    if absent:
        report.finding("note", f"no pixels in these images: {', '.join(map(repr, absent))}")
    predicted = table[:, :-1].sum(0)
    unseen = [name for one, name in enumerate(classes) if pixels[one] and not predicted[one]]
    if unseen:
        report.finding("warning", f"never predicted: {', '.join(map(repr, unseen))}")
    if table[:, -1].any():
        report.finding(
            "warning", f"{table[:, -1].sum() / table.sum():.1%} of the pixels have no class"
        )
    return numbers


def _add_confusion(report: Report, table: np.ndarray, classes: Sequence[str]) -> None:
    report.section("Confusion matrix", "Numbers are % of the row: of the pixels of a true class.")
    without = table[:, -1].any()
    columns = [*classes, "(no class)"] if without else [*classes]
    shown = table if without else table[:, :-1]
    figure = heatmap(shown, classes, columns, "predicted class", "true class")
    report.plot("confusion_matrix", figure, "true classes and the classes that are predicted")
    rows = counts_as_rows(shown, classes)
    report.data("confusion_matrix", ["true class", *columns], rows)
    seen = table[:, :-1].sum(0) > 0  # of classes that are never predicted that is told already
    pairs = most_confused(np.pad(table, ((0, 1), (0, 0))), CONFUSED, 1)
    for one, other, share in [pair for pair in pairs if seen[pair[0]]][:5]:
        report.finding(
            "warning",
            f"{share:.0%} of the pixels of {classes[one]!r} are taken for {classes[other]!r}",
        )


def _add_borders(
    report: Report, images: Sequence[ImagePixels], table: np.ndarray, classes: Sequence[str]
) -> None:
    bands = np.sum([one.bands for one in images], 0)
    near = np.sum([one.near for one in images], 0)
    report.section(
        "Errors at borders",
        "By the distance to the nearest border between two annotated classes, in pixels of the "
        "label map; both pixels beside a border are 1 from it.",
    )
    begins = [1, *(end + 1 for end in BANDS[:-1])]
    names = [
        str(end) if begin == end else f"{begin} to {end}"
        for begin, end in zip(begins, BANDS, strict=True)
    ]
    names.append(f"above {BANDS[-1]}")
    rates = bands[:, 1] / np.maximum(bands[:, 0], 1)
    report.plot("borders", bars(names, 100 * rates, "% wrong"), "wrong pixels of each distance")
    total = max(1, int(bands[:, 1].sum()))
    rows: list[list[Any]] = [
        [name, int(pixels), int(wrong), float(rate), float(wrong / total)]
        for name, (pixels, wrong), rate in zip(names, bands, rates, strict=True)
    ]
    header = ["distance", "pixels", "wrong", "share wrong", "share of all wrong"]
    report.table("borders", header, rows)
    all_over, at, beyond = iou(table), iou(near), iou(table - near)
    rows = [
        [name, *map(float, (all_over[one], at[one], beyond[one]))]
        for one, name in enumerate(classes)
    ]
    header = ["class", "IoU", f"up to {NEAR} from a border", "beyond"]
    report.table("borders_by_class", header, rows, "IoU of pixels near to borders, and of others")
    share = float(bands[: BANDS.index(NEAR) + 1, 1].sum() / total)
    if share >= AT_BORDERS and bands[:, 1].any():
        report.finding(
            "note", f"{share:.0%} of the wrong pixels lie up to {NEAR} pixels from a border"
        )


def _add_images(report: Report, images: Sequence[ImagePixels]) -> None:
    order = worst_first(images)
    report.section(
        "Images by IoU",
        f"The mean IoU of an image is that of the classes in it. {len(order)} images.",
    )
    values = [one.mean_iou for one in order]
    report.plot("images", histogram(values, "mean IoU of an image"), "images by their mean IoU")
    rows = [[one.name, one.mean_iou, one.accuracy] for one in order]
    report.data("images", ["image", "mean IoU", "right pixels"], rows)
