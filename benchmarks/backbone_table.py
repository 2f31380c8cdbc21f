"""The tables: Markdown from the records of sections."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from backbone_engines import ENGINES
from backbone_sections import Record, Section, text

UNMEASURED = "unmeasured"


def table(section: Section, record: Record | None) -> Iterator[str]:
    """Lines of a section's table; without a record every row is marked unmeasured."""
    yield f"### {section.title}"
    yield ""
    if section.compares_engines:
        yield from _engines(section, record)
        yield ""
    elif section.grows:
        yield from _growth(section, record)
    else:
        yield from _comparison(section, record)
        yield ""


def _comparison(section: Section, record: Record | None) -> Iterator[str]:
    """Ratios are to the first variant, of consecutive runs."""
    with_activations = section.learns and section.table != "detector"
    heads = ["variant", "ms", "quartiles", "speed-up"]
    heads += [] if section.learns else ["throughput, images/s"]
    heads += ["saved activations, MiB", "share"] if with_activations else []
    heads += ["peak memory, MiB", "share"] if section.peak else []
    yield from _head(heads)
    for name in section.names:
        if record is None:
            yield _row([name, UNMEASURED, *[""] * (len(heads) - 2)])
            continue
        own, first = record[name][0], record[section.names[0]][0]
        low, middle, high = quartiles(own["seconds"])
        cells = [
            name,
            milliseconds(middle),
            f"{milliseconds(low)} to {milliseconds(high)}",
            f"{times_faster(first['seconds'], own['seconds']):.2f}",
        ]
        cells += [] if section.learns else [f"{section.shapes[0][0] / middle:,.1f}"]
        cells += _memory(own, first, "saved_activations") if with_activations else []
        cells += _memory(own, first, "peak") if section.peak else []
        yield _row(cells)


def _engines(section: Section, record: Record | None) -> Iterator[str]:
    """One column for each shape: milliseconds, and the speed relative to the best engine's."""
    yield from _head(["ms (share of the best engine's speed)", *map(text, section.shapes)])
    for name in section.names:
        if record is None:
            yield _row([name, UNMEASURED, *[""] * (len(section.shapes) - 1)])
            continue
        cells = []
        for number in range(len(section.shapes)):
            own = record[name][number]["seconds"]
            best = min(
                (record[engine][number]["seconds"] for engine in ENGINES if engine in record),
                key=statistics.median,
            )
            cells.append(f"{milliseconds(statistics.median(own))} ({times_faster(best, own):.2f})")
        yield _row([name, *cells])


def _growth(section: Section, record: Record | None) -> Iterator[str]:
    """One row for each variant, one column for each shape, and the exponent of a power law."""
    shapes = [text(shape) for shape in section.shapes]
    parts = [("seconds", "ms")] + (
        [("saved_activations", "saved activations, MiB")] if section.learns else []
    )
    for key, unit in parts:
        yield from _head([f"{unit}:", *shapes, "exponent of the pixels"])
        for name in section.names:
            if record is None:
                yield _row([name, UNMEASURED, *[""] * len(shapes)])
                continue
            values = [value(row, key) for row in record[name]]
            shown = [milliseconds(v) if key == "seconds" else f"{v:,.0f}" for v in values]
            pixels = [shape[0] * shape[2] * shape[3] for shape in section.shapes]
            yield _row([name, *shown, f"{power(pixels, values):.2f}"])
        yield ""


def value(row: dict[str, Any], key: str) -> float:
    """The median of seconds, or the number itself."""
    return statistics.median(row[key]) if key == "seconds" else float(row[key])


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def times_faster(first: Sequence[float], own: Sequence[float]) -> float:
    """The median over rounds, since a disturbance slows down both runs of a round."""
    return statistics.median(a / b for a, b in zip(first, own, strict=True))


def power(x: Sequence[float], y: Sequence[float]) -> float:
    """The slope of log y over log x, by least squares.

    >>> round(power([1, 2, 4], [3, 6, 12]), 6)
    1.0
    """
    return statistics.linear_regression(list(map(math.log, x)), list(map(math.log, y))).slope


def milliseconds(seconds: float) -> str:
    ms = seconds * 1e3
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"


def _memory(own: dict[str, Any], first: dict[str, Any], key: str) -> list[str]:
    if own.get(key) is None:
        return [UNMEASURED, ""]
    share = f"{own[key] / first[key]:.3f}" if first.get(key) else ""
    return [f"{own[key]:,.0f}", share]


def _head(heads: list[str]) -> Iterator[str]:
    yield _row(heads)
    yield f"|---|{'---:|' * (len(heads) - 1)}"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
