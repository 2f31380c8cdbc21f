"""Predictions for the images of a data set: by a model, or out of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...data.findings import Level
from ...options.devices import find_device
from ...options.errors import ConfigError, InputError
from ...prediction.onnx_model import OnnxModel
from ...prediction.prediction import Prediction
from ...prediction.predictor import Model
from ..prediction.predictor import Predictor


@dataclass
class Predictions:
    """Predictions that are asked for one image after the other.

    Attributes:
        of: the prediction for an image, by its number.
        numbers: the images that have one.
        findings: level and line of each.
        cut_at: scores below this were left out; 0 if that is not known.
        cut_by: what left them out, for people.
    """

    of: Callable[[int], Prediction]
    numbers: Sequence[int]
    findings: list[tuple[Level, str]] = field(default_factory=list)
    cut_at: float = 0.0
    cut_by: str = ""


def of_model(
    cfg: Config,
    checkpoint: str,
    images: Mapping[int, Path],
    classes: Sequence[str],
    device: str | None,
) -> Predictions:
    """Predictions of the model of a config, or of an `.onnx` file of it.

    Args:
        cfg: the config.
        checkpoint: with all the model's weights; or the `.onnx` file.
        images: the files, by number.
        classes: names by label, of the data set.
        device: where to compute; None is a GPU if one is available.

    Raises:
        InputError: the checkpoint does not fit the config, or its classes are not those of the
            data set.
    """
    model: Model
    if checkpoint.endswith(".onnx"):
        model = OnnxModel(checkpoint, score_threshold=0.0)
    else:
        try:
            where = find_device(device)
        except ValueError as error:
            raise InputError(str(error)) from error
        model = Predictor(cfg, checkpoint, device=where, score_threshold=0.0)
    findings = compare_classes(checkpoint, model.classes, classes)

    def of(number: int) -> Prediction:
        file = images[number]
        return model.predict([model.read(file)], [file])[0]

    return Predictions(of, list(images), findings, score_thr(cfg), "by score_thr of the model")


def score_thr(cfg: Mapping[str, Any]) -> float:
    """The score below which a config's model leaves objects out; 0 if it has none.

    >>> score_thr({"model": {"test_cfg": {"rpn": {}, "rcnn": {"score_thr": 0.05}}}})
    0.05
    """
    tested = (cfg.get("model") or {}).get("test_cfg") or {}
    head = tested.get("rcnn") or tested if isinstance(tested, Mapping) else {}
    value = head.get("score_thr") if isinstance(head, Mapping) else None
    return float(value) if isinstance(value, int | float) else 0.0


def compare_classes(
    name: str, trained: Sequence[str], classes: Sequence[str]
) -> list[tuple[Level, str]]:
    """Compare the classes of a checkpoint with those of a data set.

    Args:
        name: of the checkpoint.
        trained: its classes by label; empty if it does not tell.
        classes: of the data set, by label.

    Returns:
        A finding, if some have other names.

    Raises:
        ConfigError: there are more or fewer, or they stand in another order.
    """
    if not trained or tuple(trained) == tuple(classes):
        return []
    if len(trained) != len(classes):
        raise ConfigError(
            f"{name}: was trained for {len(trained)} classes, and the data set has {len(classes)}: "
            "it is of another config"
        )
    if sorted(trained) == sorted(classes):
        raise ConfigError(
            f"{name}: was trained with the classes in the order {tuple(trained)}, and the config "
            f"has {tuple(classes)}: a label would mean another class; write metainfo.classes as in "
            "training"
        )
    pairs = [(one, other) for one, other in zip(trained, classes, strict=True) if one != other]
    first, second = pairs[0]
    line = (
        f"{name}: was trained with classes of other names: {len(pairs)} differ, the first is "
        f"{first!r} there and {second!r} in the config"
    )
    return [("warning", line)]
