"""Names of classes on the axes of a plot, in any script and as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..data.images.fonts import font_for, legible


def name_ticks(axis: Any, names: Sequence[str], *, rotation: float = 0) -> None:
    """Put a tick with a name at 0, 1, 2, ... of an axis of matplotlib.

    Args:
        axis: `axes.xaxis` or `axes.yaxis`.
        names: any texts; `$` is not taken for mathematics.
        rotation: in degrees.
    """
    from matplotlib.font_manager import FontProperties

    fonts = [font_for([name], 12) for name in names]
    shown = [
        legible(name, number, font)
        for number, (name, font) in enumerate(zip(names, fonts, strict=True))
    ]
    axis.set_ticks(range(len(names)), shown, rotation=rotation)
    for label, font in zip(axis.get_ticklabels(), fonts, strict=True):
        label.set_parse_math(False)
        if isinstance(font.path, str):  # Pillow's own font comes from memory
            label.set_fontproperties(FontProperties(fname=font.path))
