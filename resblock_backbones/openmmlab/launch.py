"""Train and test from a config: what `tools/train.py` and `tools/test.py` call.

Each takes what the command line gives, prepares the config so that it runs here, checks it, and
hands it to the runner. Works for every config of the MM family; `default_scope` tells which.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from .amp import use_mixed_precision
from .channels import link_channels
from .config_checks import check_backbone, read_config
from .errors import ConfigError
from .ops import install
from .runner import FlexRunner, join_process_group
from .screen import quiet_pycocotools


def train(
    config: str,
    *,
    work_dir: str | None = None,
    resume: str | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
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
        cfg_options: dotted key -> value, merged into the config.
        launcher: `none`, `pytorch`, `slurm` or `mpi`.

    Raises:
        InputError: something is wrong with what was given; the message is one line.
    """
    cfg = read_config(config, cfg_options)
    cfg.launcher = launcher
    cfg.work_dir = _work_dir(cfg, config, work_dir)
    if "train_dataloader" not in cfg or "optim_wrapper" not in cfg:
        raise ConfigError(f"{config}: no train_dataloader and optim_wrapper, nothing to train")
    if auto_scale_lr:
        if "base_batch_size" not in cfg.get("auto_scale_lr", {}):
            raise ConfigError(
                f"--auto-scale-lr: {config} has no auto_scale_lr.base_batch_size to scale from"
            )
        cfg.auto_scale_lr.enable = True
    notes = use_mixed_precision(cfg.optim_wrapper, wanted=amp, cuda=torch.cuda.is_available())
    notes += _prepare(cfg)
    runner = _runner(cfg, notes)
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
    cfg_options: Mapping[str, Any] | None = None,
    launcher: str = "none",
) -> dict[str, float]:
    """Test a checkpoint with the model of a config; returns the metrics."""
    raise NotImplementedError


def _prepare(cfg: Config) -> list[str]:
    """Make a config ready to run on this machine, in place; returns lines for the log."""
    check_backbone(cfg.model)
    notes = link_channels(cfg.model)
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        notes += _fit_workers(cfg.get(loader), loader)
    return notes


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


def _runner(cfg: Config, notes: list[str]) -> Runner:
    quiet_pycocotools()
    join_process_group(cfg)
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else FlexRunner.from_cfg(cfg)
    for note in notes:
        print_log(note, logger="current", level=logging.INFO)
    return runner


install()
