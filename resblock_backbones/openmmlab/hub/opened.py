"""A stored model, applied to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

from ...options.devices import find_device
from ...options.errors import InputError
from ...resnet.interfaces.hub import stored_files
from ..prediction.predictor import Predictor
from .facts import read_facts

HUB = "hf-hub:"


def open_stored(
    source: str,
    *,
    score_threshold: float,
    device: str | None = None,
    views: Sequence[float] | None = None,
) -> Predictor:
    """The model of a folder that ``resblock share`` wrote, or of the Hub.

    Args:
        source: the folder, or ``'hf-hub:user/name'``, with ``@revision`` if it is not the newest.
        score_threshold: objects with a lower score are left out.
        device: where to compute; None is a GPU if one is available.
        views: scales of test-time augmentation; see `Predictor`.

    Raises:
        InputError: there is no such model, it is damaged or of a newer version.
    """
    try:
        where = find_device(device)
    except ValueError as error:
        raise InputError(str(error)) from error
    repository, _, revision = source.removeprefix(HUB).partition("@")
    given: dict[str, Any] = {"revision": revision} if source.startswith(HUB) and revision else {}
    file, weights = stored_files(repository if source.startswith(HUB) else source, **given)
    facts = read_facts(file)
    dataset = {
        "type": facts.dataset,
        "pipeline": facts.pipeline,
        "metainfo": {"classes": facts.classes, "palette": facts.palette or None},
    }
    cfg = Config(
        {
            "default_scope": facts.scope,
            "model": facts.model,
            "test_dataloader": {"dataset": dataset},
        },
        filename=str(file),
    )
    return Predictor(cfg, str(weights), device=where, score_threshold=score_threshold, views=views)
