"""MMEngine's runner, where a run of ours needs it otherwise.

Four things differ: the screen stays readable, a picture that is cut off is an error, several
processes without a GPU work, and loading weights that do not fit is an error.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.runner import Runner
from torch import nn

from .screen import quiet_screen_handlers


class FlexRunner(Runner):
    """`mmengine.runner.Runner` for the tools; takes the same arguments."""

    def build_logger(self, *args: Any, **kwargs: Any) -> logging.Logger:
        logger = super().build_logger(*args, **kwargs)
        quiet_screen_handlers(logger)
        return logger

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        if not self.distributed or torch.cuda.is_available():
            return super().wrap_model(model_wrapper_cfg, model)
        # SyncBN exists for GPUs only, and a model on the CPU has no device id.
        model = revert_sync_batchnorm(model)
        return MMDistributedDataParallel(
            module=model,
            broadcast_buffers=False,
            find_unused_parameters=self.cfg.get("find_unused_parameters", False),
        )


def join_process_group(cfg: Config) -> None:
    """Join the other processes over gloo when there is no GPU for NCCL.

    MMEngine's own start-up calls `torch.cuda.set_device`, which needs one.
    """
    if cfg.launcher == "pytorch" and not torch.cuda.is_available():
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group(backend="gloo")
