"""Test-time augmentation of a config: its own, or one made from its test pipeline."""

from __future__ import annotations

import copy
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict

from ...options.errors import ConfigError
from ..configs.scopes import import_scope, scope_of
from .pipelines import kind_of

#: How the objects of several views are merged where a config does not say, as in MMDetection.
MERGING = {"nms": {"type": "nms", "iou_threshold": 0.5}, "max_per_img": 100}
#: What a merging model has to know of a view.
VIEW_KEYS = (
    "img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip", "flip_direction",
)  # fmt: skip


def use_views(cfg: Config, scales: Sequence[float] | None = None) -> str:
    """Let a config's model look at several views of each image, in place.

    Args:
        cfg: the config. Its `tta_model` and `tta_pipeline` are used where it has them; else the
            model is MMDetection's or MMSegmentation's, and the views are the image of its test
            pipeline and that mirrored.
        scales: factors of the test pipeline's size; the views are then made of it in any case.

    Returns:
        A line that tells which views there are.

    Raises:
        ConfigError: the package has no such model, or a scale cannot be used.
    """
    scope = scope_of(cfg)
    if scope not in ("mmdet", "mmseg"):
        raise ConfigError(
            f"--tta: merges predictions of MMDetection's and MMSegmentation's models, and this "
            f"config is for {scope or 'no package'}"
        )
    if any(not 0.1 <= one <= 10 for one in scales or ()):
        raise ConfigError(f"--tta-scales {' '.join(map(str, scales or ()))}: must lie in 0.1 to 10")
    cfg.default_scope = scope  # the model's class will not tell it any more
    if "module" not in cfg.model:
        given = dict(cfg.get("tta_model") or {})
        given.setdefault("type", "DetTTAModel" if scope == "mmdet" else "SegTTAModel")
        if scope == "mmdet":
            given.setdefault("tta_cfg", ConfigDict(MERGING))
        given["type"] = _merging_class(given["type"])
        cfg.model = ConfigDict(given | {"module": cfg.model})
    own = None if scales else cfg.get("tta_pipeline")
    for loader in ("test_dataloader", "val_dataloader"):
        for dataset in datasets_of(cfg.get(loader) or {}):
            views = own or views_of(dataset["pipeline"], scales or (1.0,))
            dataset["pipeline"] = copy.deepcopy(views)
    told = (
        "the config's tta_pipeline"
        if own
        else "flips"
        + (f" at {', '.join(f'{one:g}' for one in scales)} times the size" if scales else "")
    )
    return f"test-time augmentation: {told}"


def views_of(pipeline: Sequence[Any], scales: Sequence[float]) -> list[dict[str, Any]]:
    """A test pipeline with `TestTimeAug`: each image at some scales, as it is and mirrored.

    >>> steps = [dict(type="LoadImageFromFile"), dict(type="Resize", scale=(100, 60))]
    >>> _, views = views_of([*steps, dict(type="PackSegInputs")], scales=(1, 2))
    >>> [[step["type"] for step in options] for options in views["transforms"]]
    [['Resize', 'Resize'], ['RandomFlip', 'RandomFlip'], ['PackSegInputs']]
    >>> views["transforms"][0][1]["scale"]
    (200, 120)
    """
    if any(kind_of(step) == "TestTimeAug" for step in pipeline):
        return list(pipeline)
    loading, *steps = [copy.deepcopy(step) for step in pipeline]
    columns = [[step] for step in steps]
    if tuple(scales) != (1.0,):
        sizes = [index for index, step in enumerate(steps) if kind_of(step) == "Resize"]
        if sizes:
            columns[sizes[0]] = [_scaled(steps[sizes[0]], one) for one in scales]
        else:
            kind = {"type": "Resize", "keep_ratio": True}
            columns.insert(0, [{**kind, "scale_factor": float(one)} for one in scales])
    # Padding would move a mirrored object; annotations are not mirrored.
    place = next(
        (
            index
            for index, options in enumerate(columns)
            if kind_of(options[0]).startswith(("Pad", "Load", "Pack"))
        ),
        len(columns),
    )
    columns.insert(place, [{"type": "RandomFlip", "prob": prob} for prob in (0.0, 1.0)])
    for options in columns:
        for step in options:
            if kind_of(step).startswith("Pack") and "meta_keys" in step:
                step["meta_keys"] = tuple(dict.fromkeys([*step["meta_keys"], *VIEW_KEYS]))
    return [loading, {"type": "TestTimeAug", "transforms": columns}]


def datasets_of(loader: MutableMapping[str, Any]) -> Iterator[MutableMapping[str, Any]]:
    """The data sets with a pipeline of a data loader, inside of all wrappers."""
    for key in ("dataset", "datasets"):
        inner = loader.get(key)
        for one in inner if isinstance(inner, list | tuple) else [inner]:
            if isinstance(one, MutableMapping):
                if one.get("pipeline"):
                    yield one
                yield from datasets_of(one)


def _scaled(step: dict[str, Any], factor: float) -> dict[str, Any]:
    """A `Resize` to a size that is so many times as large."""
    if step.get("scale") is not None:
        given = step["scale"]
        sides = [given] * 2 if isinstance(given, int) else given
        return {**step, "scale": tuple(max(1, round(one * factor)) for one in sides)}
    given = step.get("scale_factor", 1.0)
    if isinstance(given, int | float):
        return {**step, "scale_factor": float(given * factor)}
    return {**step, "scale_factor": tuple(float(one * factor) for one in given)}


def _merging_class(kind: Any) -> Any:
    """The class that merges: the two packages' own are replaced by those that do all they mean."""
    for scope in ("mmdet", "mmseg"):
        import_scope(scope)
    from ..models.tta_models import ObjectsOfViews, ScoresOfViews

    name = kind.split(".")[-1] if isinstance(kind, str) else kind.__name__
    return {"DetTTAModel": ObjectsOfViews, "SegTTAModel": ScoresOfViews}.get(name, kind)
