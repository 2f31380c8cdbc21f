"""Look into the pipeline of a config's data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def kind_of(part: Any) -> str:
    """The name of the class behind a `type`, without its module or scope.

    >>> kind_of({"type": "mmdet.LoadAnnotations"})
    'LoadAnnotations'
    """
    kind = part.get("type") if isinstance(part, Mapping) else None
    return kind.split(".")[-1] if isinstance(kind, str) else getattr(kind, "__name__", "")


def steps_of(pipeline: Any) -> Iterator[Mapping[str, Any]]:
    """All steps of a pipeline, also those inside others (`RandomChoice`, `RandomApply`)."""
    if isinstance(pipeline, Mapping):
        if "type" in pipeline:
            yield pipeline
        for name in ("transforms", "pipeline"):
            yield from steps_of(pipeline.get(name))
    elif isinstance(pipeline, list | tuple):
        for one in pipeline:
            yield from steps_of(one)


def step_of(pipeline: Any, name: str) -> Mapping[str, Any]:
    """The first step of a kind; empty where there is none."""
    return next((one for one in steps_of(pipeline) if kind_of(one) == name), {})
