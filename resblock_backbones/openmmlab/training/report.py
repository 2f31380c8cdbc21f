"""The logged history of a training run, and a table of its results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The main metric of a validation, in order of preference.
SCORES = ("coco/bbox_mAP", "coco/segm_mAP", "mIoU", "pascal_voc/mAP")


@dataclass
class History:
    """What a run has logged, by iteration; scores by epoch (or iteration, where runs count those).

    Attributes:
        losses: name of a loss -> step -> value.
        scores: name of a metric -> step -> value, from 0 to 1 (mIoU: to 100).
        val_losses: the validation loss, iteration -> value.
        rates: the learning rate, iteration -> value.
        memory: MiB, iteration -> value.
        speed: images a second, iteration -> value.
    """

    losses: dict[str, dict[int, float]] = field(default_factory=dict)
    scores: dict[str, dict[int, float]] = field(default_factory=dict)
    val_losses: dict[int, float] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)
    memory: dict[int, float] = field(default_factory=dict)
    speed: dict[int, float] = field(default_factory=dict)


def read_history(files: Iterable[Path]) -> History:
    """Read the logs of MMEngine's runs (``vis_data/scalars.json``).

    Args:
        files: the files of a run and of those that resumed it, oldest first; the later one counts
            for steps that are in both. Incomplete lines are left out.
    """
    history = History()
    for file in files:
        last = 0
        for record in _records(file):
            _add(history, record, last)
            if "loss" in record:
                last = record["step"]
    return history


def metric_values(files: Iterable[Path], name: str) -> dict[int, float]:
    """The logged values of a validation metric, by epoch (or iteration).

    Args:
        files: of a run, oldest first, as :func:`read_history` takes them.
        name: of the metric, such as `coco/bbox_mAP`.
    """
    return {
        record["step"]: float(record[name])
        for file in files
        for record in _records(file)
        if "loss" not in record and isinstance(record.get(name), int | float)
    }


def logs_of(run: Path) -> list[Path]:
    """The logs of a run, oldest first: of the last one begun in a folder, and what resumed it.

    Args:
        run: the work folder, one of its folders named by time, or a log.
    """
    if run.is_file():
        return [run]
    own = run / "vis_data" / "scalars.json"
    found = [own] if own.is_file() else sorted(run.glob("*/vis_data/scalars.json"))
    first = [
        min((record["step"] for record in _records(file) if "loss" in record), default=0)
        for file in found
    ]
    begun = [index for index, step in enumerate(first) if step <= min(first)]
    return found[begun[-1] :] if begun else []


def _records(file: Path) -> Iterator[Mapping[str, Any]]:
    for line in file.read_text(errors="replace").splitlines() if file.is_file() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            yield record


def _add(history: History, record: Mapping[str, Any], last: int) -> None:
    """Add a line of a log; `last` is the iteration of the last line about training."""
    step = record["step"]
    single = {"lr": history.rates, "memory": history.memory, "images_per_s": history.speed}
    for name, value in record.items():
        if not isinstance(value, int | float):
            continue
        if "loss" in record:
            if name.split(".")[-1].startswith("loss"):
                history.losses.setdefault(name, {})[step] = float(value)
            elif name in single:
                single[name][step] = float(value)
        elif name == "val_loss":
            history.val_losses[last] = float(value)
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
