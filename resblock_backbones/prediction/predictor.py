"""A trained model, asked from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..options.errors import InputError
from .model import Model
from .onnx_model import OnnxModel
from .prediction import Prediction
from .slices import SlicedModel, Slices

Input = str | Path | np.ndarray | Image.Image


#: Why test-time augmentation is for models with all their scores.
NO_VIEWS = (
    "test-time augmentation merges the scores of a model, and an exported file gives final "
    "objects and label maps; use the config and its checkpoint"
)

#: Opens the model of a config with a checkpoint, or a stored one; MMEngine's room sets it.
CONFIG_MODELS: list[Callable[..., Model]] = []


class Predictor:
    """A trained model, from a config and a checkpoint, a folder, the Hub, or an `.onnx` file.

    Args:
        model: an `.onnx` file of `resblock export`, which needs neither PyTorch nor MM packages;
            a folder of `resblock share`, or `'hf-hub:user/name'`; or a config file.
        checkpoint: with the weights of the config's model.
        score_threshold: objects with a lower score are left out.
        batch_size: images at once; only images of the same size share a batch.
        device: where the model of a config computes; None is a GPU if one is available.
        tta: test-time augmentation: also predict the mirrored image, and merge (not with `.onnx`).
        tta_scales: predict it at these multiples of its size too.
        slices: predict images in slices with sides of this many pixels, and merge: for images much
            larger than those of the training. Files are read part by part where their format
            allows it; the masks of objects are `PlacedMasks`.
        overlap: part of a side that two slices share.

    Attributes:
        classes, palette: names and colours by label.

    Raises:
        InputError: a file is missing, damaged or of another kind.

    Example:
        >>> Predictor("gone.onnx")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        resblock_backbones.options.errors.InputError: gone.onnx: ...
    """

    def __init__(
        self,
        model: str | Path,
        checkpoint: str | Path | None = None,
        *,
        score_threshold: float = 0.3,
        batch_size: int = 1,
        device: str | None = None,
        tta: bool = False,
        tta_scales: Sequence[float] = (),
        slices: int | None = None,
        overlap: float = 0.2,
    ) -> None:
        if not 0 <= score_threshold <= 1:
            raise InputError(f"score_threshold={score_threshold}: must lie in 0 to 1")
        if batch_size < 1:
            raise InputError(f"batch_size={batch_size}: must be at least 1")
        self.batch_size = batch_size
        cut = None if slices is None else Slices(slices, overlap)
        if str(model).endswith(".onnx"):
            if checkpoint is not None:
                raise InputError(f"{model}: has its weights; a checkpoint was given beside it")
            if tta or tta_scales:
                raise InputError(f"{model}: {NO_VIEWS}")
            self.model: Model = OnnxModel(model, score_threshold=score_threshold)
        elif checkpoint is None and not is_stored(model):
            raise InputError(f"{model}: is no .onnx file; a config needs a checkpoint beside it")
        elif checkpoint is not None and is_stored(model):
            raise InputError(f"{model}: has its weights; a checkpoint was given beside it")
        elif not CONFIG_MODELS:
            raise InputError(
                f"{model}: this model needs MMEngine; pip install 'resblock_backbones[onedl]'"
            )
        else:
            self.model = CONFIG_MODELS[0](
                str(model),
                None if checkpoint is None else str(checkpoint),
                score_threshold=score_threshold,
                device=device,
                views=tta_scales if tta or tta_scales else None,
            )
        if cut is not None:
            self.model = SlicedModel(self.model, cut, batch_size=batch_size)
        self.classes, self.palette = self.model.classes, tuple(self.model.palette)

    def __call__(self, images: Input | Iterable[Input]) -> list[Prediction]:
        """Predict images.

        Args:
            images: one or several: file names, RGB arrays `(H, W, 3)` of uint8, or PIL images.

        Returns:
            One prediction for each, in order; boxes in pixels of that image.

        Raises:
            ImageError: a file cannot be read.
            ValueError: an array of another shape.
        """
        if isinstance(self.model, SlicedModel):
            return [self._in_slices(one) for one in _listed(images)]
        given = _listed(images)
        results: list[Prediction | None] = [None] * len(given)
        groups: dict[tuple[int, ...], list[tuple[int, np.ndarray, Path | None]]] = {}
        for index, one in enumerate(given):
            file = Path(one) if isinstance(one, str | Path) else None
            pixels = self.model.read(file) if file else _bgr(one)
            groups.setdefault(pixels.shape[:2], []).append((index, pixels, file))
        for group in groups.values():
            for begin in range(0, len(group), self.batch_size):
                batch = group[begin : begin + self.batch_size]
                found = self.model.predict([one[1] for one in batch], [one[2] for one in batch])
                for (index, _, _), prediction in zip(batch, found, strict=True):
                    results[index] = prediction
        return [one for one in results if one is not None]

    def _in_slices(self, one: Input) -> Prediction:
        assert isinstance(self.model, SlicedModel)
        if isinstance(one, str | Path):
            return self.model.predict_regions(self.model.open(Path(one)))
        return self.model.predict([_bgr(one)], [None])[0]


def _listed(images: Input | Iterable[Input]) -> list[Any]:
    single = isinstance(images, str | Path | np.ndarray | Image.Image)
    return [images] if single else list(images)  # type: ignore[arg-type]


def is_stored(model: str | Path) -> bool:
    """Whether it names a folder, or a repository of the Hub: a model with all that it needs.

    >>> is_stored("hf-hub:user/name"), is_stored("faster-rcnn.py")
    (True, False)
    """
    return str(model).startswith("hf-hub:") or Path(model).is_dir()


def _bgr(image: np.ndarray | Image.Image) -> np.ndarray:
    pixels = np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, 2)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(
            f"an image of {pixels.shape}, {pixels.dtype}: must be (H, W, 3), uint8, RGB"
        )
    return np.ascontiguousarray(pixels[..., ::-1])
