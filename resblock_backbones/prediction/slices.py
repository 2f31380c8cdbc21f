"""Predictions of large images in overlapping slices, merged into one of the whole image."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.images.reading import Loader
from ..data.images.regions import Pixels, Regions
from ..drawing.colours import Colour
from ..options.errors import InputError
from .merged_maps import map_of_labels, map_of_scores
from .merged_objects import Window, merged_objects
from .model import Model
from .prediction import Prediction

#: Predicts images of one size.
Ask = Callable[[list[np.ndarray]], list[Prediction]]


@dataclass(frozen=True)
class Slices:
    """How an image is cut into slices, as MMSegmentation's slide does.

    Attributes:
        size: sides of a slice, in pixels of the image.
        overlap: part of a side that two neighbours share; the last slice of a row may share more,
            so that it ends with the image.

    Raises:
        InputError: a slice has no pixels, or the overlap is not at least 0 and below 1.

    Example:
        >>> [one.left for one in Slices(40, 0.25).of((40, 100))]
        [0, 30, 60]
    """

    size: int
    overlap: float = 0.2

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"slices of {self.size} pixels: must be at least 1")
        if not 0 <= self.overlap < 1:
            raise InputError(f"overlap {self.overlap:g}: must be at least 0, and below 1")

    def of(self, shape: tuple[int, int]) -> list[Window]:
        """The slices of an image of this height and width, row by row."""
        starts = [self._starts(side) for side in shape]
        height, width = (min(self.size, side) for side in shape)
        return [Window(top, left, height, width) for top in starts[0] for left in starts[1]]

    def _starts(self, side: int) -> list[int]:
        step = max(1, self.size - round(self.size * self.overlap))
        count = 1 + max(0, -(-(side - self.size) // step))
        return [max(0, min(index * step, side - self.size)) for index in range(count)]


class SlicedModel:
    """A model that predicts images slice by slice.

    Each slice goes through the model's test pipeline as an image of its size would.

    Args:
        model: that predicts a slice.
        slices: of each image.
        batch_size: slices at once.

    Raises:
        InputError: a slice is smaller than a cell of the model's coarsest feature map.
    """

    def __init__(self, model: Model, slices: Slices, *, batch_size: int = 1) -> None:
        if slices.size < model.stride:
            raise InputError(
                f"slices of {slices.size} pixels: smaller than the stride of the model, "
                f"{model.stride} pixels; take about the size of the images that it was trained with"
            )
        self.model, self.slices, self.batch_size = model, slices, batch_size
        self.model.keeps_pixel_scores = True
        self.keeps_pixel_scores = False
        self.classes: tuple[str, ...] = model.classes
        self.palette: list[Colour] = model.palette

    @property
    def notes(self) -> Sequence[str]:
        """Lines to print."""
        return self.model.notes

    @property
    def dataset(self) -> Mapping[str, Any]:
        """The data set of the config."""
        return self.model.dataset

    @property
    def loader(self) -> Loader:
        """How images are decoded."""
        return self.model.loader

    @property
    def stride(self) -> int:
        """That of the model."""
        return self.model.stride

    def name_of(self, label: int) -> str:
        """The name of a class."""
        return self.model.name_of(label)

    def colour_of(self, label: int) -> Colour:
        """The colour of a class."""
        return self.model.colour_of(label)

    def read(self, file: Path) -> np.ndarray:
        """A whole image file."""
        return self.model.read(file)

    def open(self, file: Path) -> Regions:
        """An image file, of which parts are read."""
        return self.model.open(file)

    def predict(
        self, images: Sequence[np.ndarray], files: Sequence[Path | None]
    ) -> list[Prediction]:
        """Predict whole images."""
        return [self.predict_regions(Pixels(image)) for image in images]

    def predict_frames(self, frames: Sequence[np.ndarray]) -> list[Prediction]:
        """Predict frames of a video."""
        return [self._merged(Pixels(frame), self.model.predict_frames) for frame in frames]

    def predict_regions(
        self, image: Regions, step: Callable[[], None] = lambda: None
    ) -> Prediction:
        """Predict an image of which parts can be had.

        Args:
            image: the image.
            step: called for each slice that is done.
        """

        def ask(parts: list[np.ndarray]) -> list[Prediction]:
            return self.model.predict(parts, [None] * len(parts))

        return self._merged(image, ask, step)

    def _merged(
        self, image: Regions, ask: Ask, step: Callable[[], None] = lambda: None
    ) -> Prediction:
        windows = self.slices.of(image.size)
        # What the model answers shows how it is to be merged.
        [first] = ask([_part(image, windows[0])])
        answers: dict[Window, Prediction] = {windows[0]: first}
        rest = set(windows)

        def predicted(asked: Sequence[Window]) -> Iterator[tuple[Window, Prediction]]:
            for batch in _batches(asked, self.batch_size):
                new = [one for one in batch if one not in answers]
                found = ask([_part(image, one) for one in new]) if new else []
                given = {**answers, **dict(zip(new, found, strict=True))}
                for one in batch:
                    if one in rest:  # at a seam of columns it comes twice
                        rest.remove(one)
                        step()
                    yield one, given[one]

        told: dict[str, Any] = {"classes": first.classes, "palette": first.palette}
        if first.boxes is not None:
            return merged_objects(list(predicted(windows)), image.size, told)
        if first.pixel_scores is not None:
            classes = len(first.pixel_scores)
            label_map = map_of_scores(predicted, windows, image.size, classes)
        else:
            label_map = map_of_labels(predicted(windows), windows, image.size)
        return Prediction(label_map=label_map, **told)


def _part(image: Regions, window: Window) -> np.ndarray:
    return image.read(window.top, window.left, window.height, window.width)


def _batches(windows: Sequence[Window], size: int) -> Iterator[list[Window]]:
    rest = iter(windows)
    while batch := list(itertools.islice(rest, size)):
        yield batch
