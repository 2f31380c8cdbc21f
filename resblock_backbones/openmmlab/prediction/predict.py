"""Predictions of the model of a config: what `resblock predict CONFIG CHECKPOINT` calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...data.errors import ImageError
from ...options.devices import find_device
from ...prediction.slices import Slices
from ...prediction.write import PredictionSummary, predict_files
from ..configs.read import read_config
from .predictor import Predictor


def predict(
    config: str,
    checkpoint: str,
    images: Sequence[str],
    out: str,
    *,
    score_threshold: float = 0.3,
    device: str | None = None,
    batch_size: int = 1,
    force: bool = False,
    views: Sequence[float] | None = None,
    slices: Slices | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> PredictionSummary:
    """Predict images and videos with the model of a config, and write the results.

    Args:
        config: the config file.
        checkpoint: with all the model's weights.
        images, out, score_threshold, batch_size, force, slices, progress: as of `predict_files`.
        device: where to compute; None is a GPU if one is available.
        views: scales of test-time augmentation; see `Predictor`.
        cfg_options: dotted key -> value, merged into the config.

    Raises:
        InputError: an argument, the config, the checkpoint or an image is wrong.
    """
    return predict_files(
        lambda: open_config(
            config,
            checkpoint,
            score_threshold=score_threshold,
            device=device,
            views=views,
            cfg_options=cfg_options,
        ),
        images,
        out,
        score_threshold=score_threshold,
        batch_size=batch_size,
        force=force,
        slices=slices,
        progress=progress,
    )


def open_config(
    config: str,
    checkpoint: str,
    *,
    score_threshold: float,
    device: str | None = None,
    views: Sequence[float] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> Predictor:
    """The model of a config with a checkpoint.

    Raises:
        InputError: the config, the checkpoint or the device is wrong.
    """
    try:
        where = find_device(device)
    except ValueError as error:
        raise ImageError(str(error)) from error
    cfg = read_config(config, cfg_options)
    return Predictor(cfg, checkpoint, device=where, score_threshold=score_threshold, views=views)
