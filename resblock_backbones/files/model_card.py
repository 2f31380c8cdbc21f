"""What a file tells about the model in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..options.errors import InputError

#: The entry of ONNX's metadata, and the file inside a ``.pt2``.
CARD = "resblock_backbones.model"
CONFIG = "resblock_backbones.config"


@dataclass(frozen=True)
class Card:
    """What a file tells about the model in it, beside the graph.

    Attributes:
        task: what the outputs are: ``detection``, or ``segmentation`` of each pixel.
        model: the class that it was made from.
        classes: names by label; empty where nobody told.
        palette: a colour for each, RGB; may be empty.
        resize: how images came to their size in training: ``keep_ratio``, ``exact`` or ``none``.
            It is no part of the graph, which takes images as they are.
        size: width and height of that: with ``keep_ratio`` the longer and shorter side that
            images fit into.
        most: objects of an image, at most; K of the outputs.
        score_threshold: objects below it are left out by the graph; where a segmentor has one
            channel, the probability above which a pixel is of its class.
        mean, std: of the channels in the network's order; inside the graph.
        divisor: sides are padded to multiples of it; inside the graph.
        masks: ``none``, ``whole`` of the image's size, or ``raw`` as the network gives them.
        logits: whether a segmentor gives the logits of all classes in place of a label map.
        precision: of weights and convolutions; inputs and outputs do not depend on it.
        made_by: this package, PyTorch, and where they took part the MM packages: their versions.
    """

    task: Literal["detection", "segmentation"]
    model: str
    classes: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()
    resize: Literal["keep_ratio", "exact", "none"] = "none"
    size: tuple[int, int] | None = None
    most: int = 0
    score_threshold: float = 0.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    divisor: int = 1
    masks: Literal["none", "whole", "raw"] = "none"
    logits: bool = False
    precision: Literal["float32", "float16"] = "float32"
    made_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs."""
        if self.task == "segmentation":
            return ("logits",) if self.logits else ("label_map",)
        found = ("boxes", "scores", "labels", "num_detections")
        return found if self.masks == "none" else (*found, "masks")

    def as_json(self) -> str:
        """All of it in one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Card:
        """What :meth:`as_json` wrote.

        Raises:
            InputError: it is something else.

        Example:
            >>> card = Card("detection", "FCOS", ("circle",), size=(160, 160), most=100)
            >>> Card.from_json(card.as_json()) == card
            True
        """
        try:
            given: dict[str, Any] = json.loads(text)
            given["palette"] = tuple(map(tuple, given["palette"]))
            for name in ("classes", "mean", "std", "size"):
                given[name] = given[name] if given[name] is None else tuple(given[name])
            return cls(**given)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"what the file tells of its model cannot be read: {error}") from error
