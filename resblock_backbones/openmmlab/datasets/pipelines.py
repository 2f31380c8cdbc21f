"""Look into the pipeline of a config's data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.registry import TRANSFORMS

from ...options.errors import ConfigError
from ..configs.scopes import scope_of
from ..configs.signatures import class_behind


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


def check_pipelines(cfg: Mapping[str, Any], loaders: Sequence[str]) -> None:
    """Refuse pipelines without the step whose absence the model meets in its first forward pass.

    Only pipelines of MMCV's, MMDetection's and MMSegmentation's own steps are judged.

    Args:
        cfg: the whole config; its scope is imported already.
        loaders: which of its data loaders the run will use.

    Raises:
        ConfigError: nothing packs the data for the model, or loads what it is trained with.
    """
    scope = scope_of(cfg)
    for loader in loaders:
        dataset = (cfg.get(loader) or {}).get("dataset")
        steps = [step for pipeline in pipelines_of(dataset) for step in steps_of(pipeline)]
        if scope not in PACKING or not steps or not all(_is_known(one, scope) for one in steps):
            continue
        kinds = [kind for step in steps for kind in _kinds_in(step)]
        place = f"{loader}.dataset.pipeline"
        if not any(kind.startswith("Pack") for kind in kinds):
            raise ConfigError(
                f"{place}: ends with {kind_of(steps[-1])}, and nothing packs its data for the "
                f"model; end it with dict(type={PACKING[scope]!r})"
            )
        if loader.startswith("train") and not any("Annotation" in kind for kind in kinds):
            given = ", with_bbox=True" if scope == "mmdet" else ""
            raise ConfigError(
                f"{place}: loads no annotations to train with; put dict(type='LoadAnnotations'"
                f"{given}) behind {kinds[0]}"
            )


#: The step that hands data to the models of a package.
PACKING = {"mmdet": "PackDetInputs", "mmseg": "PackSegInputs"}


def pipelines_of(dataset: Any) -> Iterator[Any]:
    """The pipelines of a data set, those of what it wraps first."""
    if isinstance(dataset, list | tuple):
        for one in dataset:
            yield from pipelines_of(one)
    elif isinstance(dataset, Mapping):
        for key in ("dataset", "datasets"):
            yield from pipelines_of(dataset.get(key))
        if dataset.get("pipeline"):
            yield dataset["pipeline"]


def _kinds_in(part: Any) -> Iterator[str]:
    """The kinds of a step and of those in its arguments, as in the branches of `MultiBranch`."""
    if isinstance(part, Mapping):
        yield kind_of(part)
        part = list(part.values())
    if isinstance(part, list | tuple):
        for one in part:
            yield from _kinds_in(one)


def _is_known(step: Mapping[str, Any], scope: str) -> bool:
    built = class_behind(step.get("type"), scope, [TRANSFORMS])
    package = getattr(built, "__module__", "").partition(".")[0]
    return package in ("mmcv", "mmdet", "mmseg", "resblock_backbones")
