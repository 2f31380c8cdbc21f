"""The model of a config with a checkpoint, as one graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from mmengine.config import Config

from ...deploy.models.kinds import WholeModel, whole
from ..configs.read import read_config
from ..prediction.predictor import Predictor, dataset_of


def whole_of_config(
    config: str,
    checkpoint: str,
    *,
    raw_masks: bool = False,
    logits: bool = False,
    fp16: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> tuple[WholeModel, str]:
    """The model of a config as one graph, and the config's text.

    Args:
        config: the config file.
        checkpoint: with all the model's weights.
        raw_masks, logits, fp16: as of ``export_model``.
        cfg_options: dotted key -> value, merged into the config.
        note: called with a line about what of the config is not in the file.

    Raises:
        InputError: config or checkpoint are wrong, do not belong together, or the model is of a
            kind that cannot be written.
    """
    cfg = read_config(config, cfg_options)
    if cfg.get("tta_model"):
        note(f"{config}: tta_model is left out: a file predicts each image as it is")
    predictor = Predictor(cfg, checkpoint, device=torch.device("cpu"), score_threshold=0.0)
    ready = whole(predictor.model, raw_masks=raw_masks, logits=logits, fp16=fp16)
    told: dict[str, Any] = {"classes": predictor.classes}
    if predictor.classes:
        told["palette"] = tuple(predictor.palette[: len(predictor.classes)])
    return replace(ready, card=replace(ready.card, **told, **resizing(cfg))), cfg.pretty_text


def resizing(cfg: Config) -> dict[str, Any]:
    """How the config's test pipeline changes the size of images, as a card has it.

    Example:
        >>> step = {"type": "Resize", "scale": (1333, 800), "keep_ratio": True}
        >>> resizing(Config({"test_pipeline": [step]}))
        {'resize': 'keep_ratio', 'size': (1333, 800)}
    """
    pipeline: Sequence[Any] = dataset_of(cfg).get("pipeline") or cfg.get("test_pipeline") or ()
    for step in pipeline:
        kind = step.get("type")
        kind = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
        scale = step.get("scale")
        if kind.rpartition(".")[2] in ("Resize", "FixScaleResize") and isinstance(scale, Sequence):
            longer, shorter = int(scale[0]), int(scale[1])
            way = "keep_ratio" if step.get("keep_ratio") else "exact"
            return {"resize": way, "size": (longer, shorter)}
    return {}
