"""Train and test from a config: what `resblock train` and `resblock test` call.

Each takes what the command line gives, prepares the config so that it runs here, checks it, and
hands it to the runner. Works for every config of the MM family; `default_scope` tells which.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ...files.whole import remove_parts
from ...options.errors import ConfigError
from ...prediction.predictor import NO_VIEWS
from ...weights import CheckpointError
from ..configs.read import read_config
from ..configs.scopes import check_scope, scope_of
from ..configs.top_level import unused_keys
from ..datasets.coco_data import CheckedData
from ..datasets.copies import with_copies
from ..datasets.dataset_checks import check_datasets
from ..datasets.views import use_views
from ..models.channels import link_channels, stride_warnings
from ..models.exported import ExportedModel
from ..models.flexible_backbones import check_backbones
from .amp import use_mixed_precision
from .evaluation.dumped import WholeDumpResults
from .processes import is_first, join_process_group
from .resume import find_checkpoint
from .runner import FlexRunner
from .screen import quiet_pycocotools
from .setup.hooks import check_save_best
from .setup.mistakes import told_in_one_line
from .setup.values import check_values
from .watching.setup import watch

#: Where a config names annotation files.
DATA_PARTS = tuple(
    f"{split}_{part}" for split in ("train", "val", "test") for part in ("dataloader", "evaluator")
)


def train(
    config: str,
    *,
    work_dir: str | None = None,
    resume: str | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    val_loss: bool = False,
    early_stop: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    launcher: str = "none",
) -> Runner:
    """Train the model of a config.

    Args:
        config: the config file.
        work_dir: where logs and checkpoints go; default `./work_dirs/<config name>`.
        resume: a checkpoint to go on from, or `"auto"` for the newest one in the work folder.
        amp: mixed precision (bfloat16 without a GPU).
        auto_scale_lr: scale the learning rate to the batch size that is used.
        val_loss: also compute the model's losses on the validation set.
        early_stop: METRIC or METRIC:PATIENCE: end after so many validations without a better value.
        cfg_options: dotted key -> value, merged into the config.
        launcher: `none`, `pytorch`, `slurm` or `mpi`.

    Raises:
        InputError: something is wrong with what was given; the message is one line.
    """
    cfg = _checked_config(config, cfg_options)
    cfg.launcher = launcher
    cfg.work_dir = _work_dir(cfg, config, work_dir)
    if "train_dataloader" not in cfg or "optim_wrapper" not in cfg:
        raise ConfigError(f"{config}: no train_dataloader and optim_wrapper, nothing to train")
    if not isinstance(cfg.get("model"), Mapping):
        raise ConfigError(f"{config}: model={cfg.get('model')!r}: must be a dict, nothing to train")
    if auto_scale_lr:
        if "base_batch_size" not in cfg.get("auto_scale_lr", {}):
            raise ConfigError(
                f"--auto-scale-lr: {config} has no auto_scale_lr.base_batch_size to scale from"
            )
        cfg.auto_scale_lr.enable = True
    notes = use_mixed_precision(cfg.optim_wrapper, wanted=amp, cuda=torch.cuda.is_available())
    if is_first(launcher):
        notes += [
            f"{part} removed: half a file, of a run that was killed"
            for part in remove_parts(Path(cfg.work_dir))
        ]
    if resume is not None:
        cfg.load_from, line = find_checkpoint(resume, cfg.work_dir)
        cfg.resume = cfg.load_from is not None
        notes.append(line)
    checked = _prepare(cfg, ["train_dataloader", "val_dataloader"], notes)
    check_save_best(cfg, val_loss=val_loss)
    hooks, lines = watch(cfg, val_loss=val_loss, stop=early_stop)
    checked.notes += lines
    runner = _runner(cfg, checked)
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    return runner


def test(
    config: str,
    checkpoint: str,
    *,
    work_dir: str | None = None,
    out: str | None = None,
    show: bool = False,
    show_dir: str | None = None,
    wait_time: float = 2,
    views: Sequence[float] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    launcher: str = "none",
) -> dict[str, float]:
    """Test a checkpoint with the model of a config.

    Args:
        config: the config file.
        checkpoint: the checkpoint, with all the model's weights; or an `.onnx` file that
            `resblock export` wrote of the model.
        work_dir: where logs go; default `./work_dirs/<config name>`.
        out: a `.pkl` file for the predictions.
        show: show each image with its predictions in a window.
        show_dir: a folder for these images.
        wait_time: how long a window stays, in seconds.
        views: scales of test-time augmentation, empty for mirrored images alone; None for none.
        cfg_options, launcher: as in `train`.

    Returns:
        The metrics.

    Raises:
        InputError: something is wrong with what was given; the message is one line.
    """
    if out is not None and not out.endswith((".pkl", ".pickle")):
        raise ConfigError(f"--out {out}: predictions are written as .pkl")
    if "://" not in checkpoint and not Path(checkpoint).is_file():
        raise CheckpointError(f"{checkpoint}: there is no such checkpoint file")
    cfg = _checked_config(config, cfg_options)
    cfg.launcher = launcher
    cfg.work_dir = _work_dir(cfg, config, work_dir)
    cfg.load_from, cfg.resume = checkpoint, False
    if "test_dataloader" not in cfg:
        raise ConfigError(f"{config}: no test_dataloader, nothing to test")
    if show or show_dir:
        _draw_images(cfg, show, show_dir, wait_time)
    exported = checkpoint.endswith(".onnx")
    if exported and views is not None:
        raise ConfigError(f"--tta: {checkpoint}: {NO_VIEWS}")
    notes = [] if views is None else [use_views(cfg, views)]
    checked = _prepare(cfg, ["test_dataloader"], notes)
    if exported:
        task = "segmentation" if scope_of(cfg) == "mmseg" else "detection"
        cfg.model = {"type": ExportedModel, "file": checkpoint, "task": task}
        cfg.load_from = None
    runner = _runner(cfg, checked)
    runner.needs_all_weights = not exported
    runner.classes_of_test = checked.classes.get("test_dataloader", ())
    if out is not None:
        runner.test_evaluator.metrics.append(WholeDumpResults(out_file_path=out))
    return runner.test()


def _checked_config(config: str, options: Mapping[str, Any] | None) -> Config:
    cfg = read_config(config, options)
    check_scope(cfg)
    check_values(cfg)
    return cfg


def _draw_images(cfg: Config, show: bool, show_dir: str | None, wait_time: float) -> None:
    hook = cfg.get("default_hooks", {}).get("visualization")
    if hook is None:
        raise ConfigError("--show, --show-dir: the config has no default_hooks.visualization")
    hook.update(draw=True, show=show, wait_time=wait_time)
    if scope_of(cfg) == "mmseg":
        hook.interval = 1  # it would draw every 50th image only, in tests too
    if show_dir and scope_of(cfg) == "mmdet":
        hook.test_out_dir = show_dir  # inside <work dir>/<time>/, as in MMDetection
    elif show_dir:
        cfg.visualizer.save_dir = show_dir


def _prepare(cfg: Config, loaders: Sequence[str], notes: list[str]) -> CheckedData:
    """Make a config ready to run on this machine, in place, and check its data.

    Args:
        cfg: the config.
        loaders: that the run uses.
        notes: lines for the log so far.

    Returns:
        What the checks found; its notes begin with those given.
    """
    if cfg.get("default_scope", "") is None:
        # Without one, names inside the model would be looked up where the process's last run did.
        cfg.default_scope = scope_of(cfg)
    # By a name that an earlier run of this process had, MMEngine would give that run's visualizer.
    (cfg.get("visualizer") or {}).pop("name", None)
    check_backbones(cfg.model)
    notes += link_channels(cfg.model) + stride_warnings(cfg.model)
    checked = check_datasets(cfg, [name for name in loaders if cfg.get(name)])
    for loader in loaders:
        notes += _fit_workers(cfg.get(loader), loader)
    checked.notes = notes + checked.notes
    if cfg.filename:
        checked.warnings += unused_keys(cfg, Path(cfg.filename))
    if not torch.cuda.is_available():
        cfg.setdefault("env_cfg", {}).setdefault("dist_cfg", {})["backend"] = "gloo"
    return checked


def _fit_workers(loader: Any, key: str) -> list[str]:
    """No more worker processes than processors; none of them kept when there are none."""
    if not isinstance(loader, dict):
        return []
    notes = []
    processors = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    if loader.get("num_workers", 0) > (processors or 1):
        notes.append(
            f"{key}.num_workers: {loader['num_workers']} -> {processors} (processors here)"
        )
        loader["num_workers"] = processors
    if loader.get("num_workers", 0) == 0:
        # torch refuses both of these without workers.
        loader.pop("persistent_workers", None)
        loader.pop("prefetch_factor", None)
    return notes


def _work_dir(cfg: Config, config: str, given: str | None) -> str:
    return given or cfg.get("work_dir") or str(Path("work_dirs") / Path(config).stem)


def _runner(cfg: Config, checked: CheckedData) -> Runner:
    quiet_pycocotools()
    join_process_group(cfg.launcher)
    if "runner_type" in cfg:
        for part in DATA_PARTS:
            if cfg.get(part):
                cfg[part] = with_copies(cfg[part], checked.copies)
        with told_in_one_line("the config"):
            runner = RUNNERS.build(cfg)
    else:
        with told_in_one_line("the config"):
            runner = FlexRunner.from_cfg(cfg)
        runner.annotation_copies = checked.copies
    for note in [*checked.notes, *checked.tables]:
        print_log(note, logger="current", level=logging.INFO)
    for warning in checked.warnings:
        print_log(warning, logger="current", level=logging.WARNING)
    return runner
