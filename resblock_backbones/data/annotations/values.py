"""What a value of an annotation file may be."""

from __future__ import annotations

import math
from typing import Any

from ..findings import shown

#: No image is as large, and sums of larger numbers lose their pixels in float32.
LARGEST = 10_000_000


def number_fault(value: Any) -> str | None:
    """Why a value is no number that can be reckoned with; None where it is one.

    >>> number_fault(3.5), number_fault("3.5"), number_fault(float("nan"))
    (None, "is '3.5', text and no number", 'is nan')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        if isinstance(value, str):
            return f"is {shown(value)}, text and no number"
        return f"is {shown(value)}, no number"
    if not abs(value) <= LARGEST:  # NaN is not either
        return f"is {shown(value)}"
    return None


def id_fault(value: Any) -> str | None:
    """Why a value is no id; None where it is one.

    >>> id_fault(0), id_fault("a-1"), id_fault([1]), id_fault(None)
    (None, None, 'is [1], neither a number nor text', 'is null, neither a number nor text')
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return f"is {shown(value)}, neither a number nor text"
    if isinstance(value, float) and not (math.isfinite(value) and value == int(value)):
        return f"is {shown(value)}, no whole number"
    return None


def is_box(value: Any) -> bool:
    """Whether a value is a list of four numbers."""
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(number_fault(number) is None for number in value)
    )


def box_fault(value: Any) -> str | None:
    """Why a value is no box ``[x, y, width, height]``; None where it is one.

    >>> box_fault([0, 0, 4, None])
    "'bbox' is [0, 0, 4, None]: its height is null, no number"
    """
    if not isinstance(value, list) or len(value) != 4:
        return f"'bbox' is {shown(value)}, not [x, y, width, height]"
    for name, number in zip(("x", "y", "width", "height"), value, strict=True):
        fault = number_fault(number)
        if fault is None and name in ("width", "height") and number < 0:
            fault = f"is {number}, negative"
        if fault is not None:
            return f"'bbox' is {shown(value)}: its {name} {fault}"
    return None
