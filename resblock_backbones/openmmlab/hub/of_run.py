"""The trained model of a run's work folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, init_default_scope
from torch import Tensor

from ...options.errors import ConfigError, InputError
from ...version import __version__
from ...weights import CheckpointError
from ..configs.read import read_config
from ..configs.scopes import scope_of
from ..models.checkpoint import load
from ..models.model_weights import compare_weights
from ..prediction.predictor import classes_and_palette, dataset_of, steps_without_annotations
from ..training.resume import find_checkpoint
from .facts import Facts
from .json_config import from_json, to_json
from .trained_model import TrainedModel

#: In the lines of a validation, beside the metrics.
NO_METRICS = {"step", "time", "data_time"}
#: Where the parts of a model took their weights from before the training.
ORIGINS = ("init_cfg", "pretrained")
#: How MMEngine names the folder of a run, behind the config's name.
TIME = "20260101_000000"


def trained_model(
    work_dir: str | Path, *, checkpoint: str | None = None, config: str | None = None
) -> TrainedModel:
    """The model that a run of ``resblock train`` has trained, with what it measured.

    Args:
        work_dir: of the run.
        checkpoint: one of its checkpoints; None is the best one, where the run kept one
            (``save_best``), else the newest.
        config: of the run; None is the one that the run wrote into its folder.

    Raises:
        InputError: there is no such run, or its model could not be built again from a file.
    """
    folder = Path(work_dir)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; give the one that a training wrote")
    file = checkpoint or _checkpoint_of(folder)
    read = load(file, "cpu")
    state = read.get("state_dict") if isinstance(read, Mapping) else None
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{file}: is no checkpoint of a run: it has no state_dict")
    meta = read.get("meta") or {}
    name = str(meta.get("experiment_name", folder.name))
    run = folder / name[-len(TIME) :]
    cfg = read_config(config or str(_config_of(folder, run)))
    scope, dataset = scope_of(cfg), dataset_of(cfg)
    origins: list[str] = []
    model = _as_stored("model", _without_origins(cfg._cfg_dict.to_dict()["model"], origins))
    weights = {
        str(key).removeprefix("module."): value
        for key, value in state.items()
        if isinstance(value, Tensor)
    }
    _check(model, scope, weights, file)
    trained = {key: int(meta[key]) for key in _counted(cfg) if key in meta}
    told = classes_and_palette(meta, dataset, scope)
    names = told.get("classes") or ()
    classes = (names,) if isinstance(names, str) else tuple(map(str, names))
    facts = Facts(
        name=name.removesuffix(f"_{run.name}"),
        model=model,
        scope=scope,
        dataset=_as_stored("dataset", {"type": dataset.get("type", "")})["type"],
        pipeline=[
            _as_stored("test_pipeline", step) for step in steps_without_annotations(cfg, dataset)
        ],
        classes=classes,
        palette=tuple(tuple(map(int, one)) for one in (told.get("palette") or ())[: len(classes)]),
        training={**_training(cfg, dataset, origins), **_of_meta(meta)},
        trained=trained,
        metrics=metrics_at(run, next(iter(trained.values()), -1)),
        versions={"resblock_backbones": __version__, "torch": torch.__version__},
    )
    return TrainedModel(facts, weights)


def metrics_at(run: Path, step: int) -> dict[str, float]:
    """What a run, or those that it resumed, logged in the validation at a step.

    Args:
        run: its folder, inside the work folder.
        step: the epoch, or the iteration in iteration-based runs.
    """
    metrics: dict[str, float] = {}
    for one in reversed(_with_resumed(run)):
        file = one / "vis_data" / "scalars.json"
        for line in file.read_text(errors="replace").splitlines() if file.is_file() else ():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # half a line, of a run that was killed
            if isinstance(record, dict) and record.get("step") == step and "loss" not in record:
                metrics = {
                    name: float(value)
                    for name, value in record.items()
                    if name not in NO_METRICS and isinstance(value, int | float)
                }
    return metrics


def _with_resumed(run: Path) -> list[Path]:
    """A run and those before it that it went on from, the newest first."""
    runs = [run]
    for earlier in sorted(
        (one for one in run.parent.iterdir() if one.name < run.name), reverse=True
    ):
        config = runs[-1] / "vis_data" / "config.py"
        if not config.is_file() or not Config.fromfile(config).get("resume"):
            break
        if (earlier / "vis_data" / "scalars.json").is_file():
            runs.append(earlier)
    return runs


def _checkpoint_of(folder: Path) -> str:
    best = sorted(folder.glob("best_*.pth"))
    if len(best) == 1:
        return str(best[0])
    newest, _ = find_checkpoint("auto", folder)
    if newest is None:
        raise InputError(f"{folder}: has no checkpoint; give the work folder of a training")
    return newest


def _config_of(folder: Path, run: Path) -> Path:
    own = run / "vis_data" / "config.py"
    if own.is_file():
        return own
    others = sorted(folder.glob("*.py"))
    if len(others) != 1:
        names = ", ".join(file.name for file in others) or "none"
        raise InputError(f"{folder}: which config did it train? there is {names}; give --config")
    return others[0]


def _counted(cfg: Config) -> tuple[str, ...]:
    """What a run counts, the one first by which it validates."""
    loop = cfg.get("train_cfg") or {}
    by_epoch = loop.get("by_epoch", str(loop.get("type", "")).endswith("EpochBasedTrainLoop"))
    return ("epoch", "iter") if by_epoch else ("iter",)


def _without_origins(part: Any, origins: list[str]) -> Any:
    """A model's config without the places of weights that it began with, which are collected."""
    if isinstance(part, list | tuple):
        return type(part)(_without_origins(one, origins) for one in part)
    if not isinstance(part, Mapping):
        return part
    for name in ORIGINS:
        origin = part.get(name)
        file = origin.get("checkpoint") if isinstance(origin, Mapping) else origin
        if isinstance(file, str):
            origins.append(file if "://" in file else Path(file).name)
    return {
        name: _without_origins(one, origins) for name, one in part.items() if name not in ORIGINS
    }


def _training(cfg: Config, dataset: Mapping[str, Any], origins: list[str]) -> dict[str, Any]:
    """What tells how it was trained; of the user's folders the last name at most."""
    loaded = cfg.get("load_from")
    if loaded and not cfg.get("resume"):
        origins = [loaded if "://" in loaded else Path(loaded).name, *origins]
    annotations = str(dataset.get("ann_file") or "")
    parts = {
        "data": Path(str(dataset.get("data_root") or "")).name or None,
        "evaluated_on": Path(annotations).name or None,
        "batch_size": (cfg.get("train_dataloader") or {}).get("batch_size"),
        "seed": (cfg.get("randomness") or {}).get("seed"),
        "started_from": ", ".join(origins) or None,
        "optim_wrapper": cfg.get("optim_wrapper"),
        "param_scheduler": cfg.get("param_scheduler"),
        "train_cfg": cfg.get("train_cfg"),
        "train_pipeline": cfg.get("train_pipeline"),
    }
    return {name: _as_stored(name, one) for name, one in parts.items() if one is not None}


def _of_meta(meta: Mapping[str, Any]) -> dict[str, str]:
    version = meta.get("mmengine_version")
    return {"mmengine": str(version)} if version else {}


def _as_stored(where: str, part: Any) -> Any:
    """A part of a config as a reader of the file will have it."""
    return from_json(where, to_json(where, part))


def _check(model: Any, scope: str | None, weights: Mapping[str, Tensor], file: str) -> None:
    init_default_scope(scope or "mmengine")
    try:
        built = MODELS.build(ConfigDict(model))
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise ConfigError(f"{file}: its model cannot be built from a file: {error}") from error
    _, parts = compare_weights(built, weights, [])
    if parts:
        raise CheckpointError(f"{file}: does not fit the model of the run: {'; '.join(parts)}")
