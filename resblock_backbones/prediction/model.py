"""What a trained model can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..data.images.reading import Loader
from ..data.images.regions import Regions
from ..drawing.colours import Colour
from .prediction import Prediction


class Model(Protocol):
    """What `OnnxModel`, the models of configs, and models that predict slices have in common."""

    classes: tuple[str, ...]
    palette: list[Colour]
    #: Whether predictions with a label map shall have `pixel_scores`, if the model has any.
    keeps_pixel_scores: bool

    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def dataset(self) -> Mapping[str, Any]: ...
    @property
    def loader(self) -> Loader: ...
    def name_of(self, label: int) -> str: ...
    def colour_of(self, label: int) -> Colour: ...
    @property
    def stride(self) -> int: ...
    def read(self, file: Path) -> np.ndarray: ...
    def open(self, file: Path) -> Regions: ...
    def predict(
        self, images: Sequence[np.ndarray], files: Sequence[Path | None]
    ) -> list[Prediction]: ...
    def predict_frames(self, frames: Sequence[np.ndarray]) -> list[Prediction]: ...
