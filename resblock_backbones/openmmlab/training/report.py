"""The logged history of a training run, and a table of its results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The main metric of a validation, in order of preference.
SCORES = ("coco/bbox_mAP", "coco/segm_mAP", "mIoU", "pascal_voc/mAP")


@dataclass
class History:
    """Losses by iteration, and scores by epoch (or by iteration in iteration-based runs).

    Attributes:
        losses: name of a loss -> step -> value.
        scores: name of a metric -> step -> value, from 0 to 1 (mIoU: to 100).
    """

    losses: dict[str, dict[int, float]] = field(default_factory=dict)
    scores: dict[str, dict[int, float]] = field(default_factory=dict)


def read_history(files: Iterable[Path]) -> History:
    """Read the logs of MMEngine's runs (``vis_data/scalars.json``).

    Args:
        files: the files of a run and of those that resumed it, oldest first; the later one counts
            for steps that are in both. Incomplete lines are left out.
    """
    history = History()
    for file in files:
        for line in file.read_text(errors="replace").splitlines() if file.is_file() else ():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(record, dict) and isinstance(record.get("step"), int):
                _add(history, record)
    return history


def _add(history: History, record: Mapping[str, Any]) -> None:
    step = record["step"]
    for name, value in record.items():
        if not isinstance(value, int | float):
            continue
        if "loss" in record and name.split(".")[-1].startswith("loss"):
            history.losses.setdefault(name, {})[step] = float(value)
        elif name in SCORES:
            history.scores.setdefault(name, {})[step] = float(value)


def result_rows(
    metrics: Mapping[str, float], classes: Sequence[str], seconds: float
) -> list[tuple[str, str]]:
    """The rows of the table: AP of each class, then the means, then the time.

    >>> result_rows({"coco/cat_precision": 0.5, "coco/bbox_mAP": 0.5}, ["cat"], 75)
    [('AP cat', '0.500'), ('bbox_mAP', '0.500'), ('training time', '1 min 15 s')]
    """
    rows = []
    # If boxes and masks are evaluated, MMDetection reports the AP per class of the masks.
    kind = "mask AP" if "coco/segm_mAP" in metrics else "AP"
    for name in classes:
        value = metrics.get(f"coco/{name}_precision")
        if value is not None:
            rows.append((f"{kind} {name}", f"{value:.3f}"))
    for key, value in metrics.items():
        short = key.split("/")[-1]
        if short.split("_")[-1] in ("mAP", "50", "75") or short in ("mIoU", "aAcc", "mAcc"):
            rows.append((short, f"{value:.3f}"))
    minutes, rest = divmod(round(seconds), 60)
    rows.append(("training time", f"{minutes} min {rest} s"))
    return rows


def format_table(rows: Sequence[tuple[str, str]]) -> str:
    """Two aligned columns.

    >>> print(format_table([("AP cat", "0.500"), ("time", "75 s")]))
    AP cat  0.500
    time     75 s
    """
    left = max(len(name) for name, _ in rows)
    right = max(len(value) for _, value in rows)
    return "\n".join(f"{name:<{left}}  {value:>{right}}" for name, value in rows)
