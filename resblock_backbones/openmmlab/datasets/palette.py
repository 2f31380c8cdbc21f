"""The colours of a data set's classes, the same in every drawing."""

from __future__ import annotations

from typing import Any

from ...drawing.colours import Colour, palette_of


def palette_of_dataset(dataset: Any) -> list[Colour]:
    """A colour for each class of a built data set of MMDetection or MMSegmentation.

    A data set with classes of its own inherits the palette of its class, such as that of COCO's 80
    classes, whose first colours are hard to tell apart; it is not taken.
    """
    while inner := getattr(dataset, "dataset", None) or getattr(dataset, "datasets", None):
        dataset = inner[0] if isinstance(inner, list) else inner  # those that repeat or join
    of_class = getattr(type(dataset), "METAINFO", {})
    classes = tuple(dataset.metainfo.get("classes") or ())
    given = dataset.metainfo.get("palette")
    inherited = given == of_class.get("palette") and classes != tuple(of_class.get("classes") or ())
    return palette_of(None if inherited else given, len(classes))
