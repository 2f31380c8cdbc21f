"""The model's own losses on the validation set."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from ....options.errors import ConfigError
from ...datasets.pipelines import kind_of


class ValidationLossHook(Hook):
    """Computes the losses of the validation set at every validation.

    They are computed in eval mode by a copy of the model, with random numbers of their own, so that
    training goes on as it would have without. The images are those of the validation pipeline, and
    their annotations go through its steps with them. The means over all images are put among the
    metrics, as `val_loss` and, for each part, `val_loss_cls`, ...

    Args:
        dataloader: of a config, as :func:`loss_dataloader` makes it.
    """

    # Before the hooks that read the metrics, and while EMA's weights are in the model.
    priority = "HIGHEST"

    def __init__(self, dataloader: Mapping[str, Any]) -> None:
        self.config = dataloader
        self._loader: Any = None

    def after_val_epoch(
        self, runner: Any, metrics: MutableMapping[str, float] | None = None
    ) -> None:
        if metrics is None:
            return
        if self._loader is None:
            # Here, so that copies of repaired annotation files are read.
            self._loader = runner.build_dataloader(copy.deepcopy(self.config), seed=0)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        losses = validation_losses(model, self._loader)
        metrics.update(losses)
        told = {one["data_src"] for one in runner.log_processor.custom_cfg}
        # MMEngine logs the mean of the last 50 values of whatever has "loss" in its name.
        runner.log_processor.custom_cfg += [
            {"data_src": name, "method_name": "current"} for name in losses if name not in told
        ]


def validation_losses(model: nn.Module, batches: Sequence[Any] | Any) -> dict[str, float]:
    """Means of the model's losses over all images, in eval mode; the model stays as it is.

    Args:
        model: of MMDetection or MMSegmentation.
        batches: as a data loader gives them, of all processes' shares.

    Returns:
        `val_loss` and its parts.
    """
    sums: dict[str, float] = {}
    images = 0
    with _numbers_of_its_own(), torch.no_grad():
        # Some heads count what they have seen, and batch norms do in train mode.
        model = copy.deepcopy(model).eval()
        for batch in batches:
            count = len(batch["inputs"])
            data = _preprocessed(model, batch)
            total, parts = model.parse_losses(model(**data, mode="loss"))  # type: ignore[operator]
            for name, value in {**parts, "loss": total}.items():
                if "loss" in name:  # accuracies are among them
                    sums[name] = sums.get(name, 0.0) + float(value) * count
            images += count
    return _means(sums, images)


def _preprocessed(model: nn.Module, batch: Any) -> Any:
    """Inputs and ground truth, padded as in training, without mixing images."""
    preprocessor: Any = model.data_preprocessor
    mixing = getattr(preprocessor, "batch_augments", None)
    if mixing is not None:
        preprocessor.batch_augments = None
    try:
        return preprocessor(batch, True)
    finally:
        if mixing is not None:
            preprocessor.batch_augments = mixing


def _means(sums: Mapping[str, float], images: int) -> dict[str, float]:
    names = sorted(sums, key=lambda name: name != "loss")
    values = torch.tensor([float(images), *(sums[name] for name in names)], dtype=torch.float64)
    all_reduce(values)  # over all processes; nothing with one
    means = (values[1:] / values[0].clamp(min=1)).tolist()
    return {f"val_{name}": mean for name, mean in zip(names, means, strict=True)}


@contextmanager
def _numbers_of_its_own() -> Iterator[None]:
    """Random numbers from a fixed seed, and afterwards those that would have come."""
    python, numpys = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpys)


def loss_dataloader(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """The validation loader of a config, with pipelines that keep annotations with the images.

    The pipelines of validation load annotations behind the resizing, or not at all; here they are
    loaded right behind the image, as the training pipeline loads them.

    Raises:
        ConfigError: there is no validation set, or the training pipeline loads no annotations.
    """
    if not cfg.get("val_dataloader") or not cfg.get("val_cfg"):
        raise ConfigError("--val-loss: the config has no val_dataloader and val_cfg")
    loads = _loads_of(cfg.get("train_dataloader"))
    if not loads:
        raise ConfigError(
            "--val-loss: no pipeline of train_dataloader loads annotations, so that there is "
            "nothing to compute a loss with"
        )
    loader = copy.deepcopy(dict(cfg["val_dataloader"]))
    _set_pipelines(loader["dataset"], loads)
    return loader


def _loads_of(part: Any) -> list[Mapping[str, Any]]:
    """The steps that load annotations, of the first pipeline inside of a loader."""
    if isinstance(part, Mapping):
        pipeline = part.get("pipeline")
        if isinstance(pipeline, list | tuple):
            loads = [step for step in pipeline if _loads_annotations(step)]
            if loads:
                return loads
        part = [part[name] for name in ("dataset", "datasets") if name in part]
    if isinstance(part, list | tuple):
        for inner in part:
            if loads := _loads_of(inner):
                return loads
    return []


def _set_pipelines(dataset: Any, loads: Sequence[Mapping[str, Any]]) -> None:
    if isinstance(dataset, list | tuple):
        for one in dataset:
            _set_pipelines(one, loads)
    elif isinstance(dataset, MutableMapping):
        steps = dataset.get("pipeline")
        if isinstance(steps, list | tuple) and steps:
            others = [step for step in steps if not _loads_annotations(step)]
            dataset["pipeline"] = [others[0], *copy.deepcopy(list(loads)), *others[1:]]
        for name in ("dataset", "datasets"):
            _set_pipelines(dataset.get(name), loads)


def _loads_annotations(step: Any) -> bool:
    kind = kind_of(step)
    return kind.startswith("Load") and "Annotation" in kind
