"""The end of a run whose loss is no number any more."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from mmengine.hooks import Hook
from torch import Tensor

from ....options.errors import InputError

#: Iterations in a row that the scaler of mixed precision may skip.
SKIPPED = 10


class TrainingError(InputError):
    """A run that cannot go on; the message says where it stopped and what to try."""


class FiniteLossHook(Hook):
    """Ends the run at the first loss that is infinite or not a number.

    By default training would go on, and every checkpoint from then on would be worthless. With a
    gradient scaler (float16) such a step is skipped, so that only ten in a row end the run.

    Raises:
        TrainingError: names the iteration, the loss and the images of the batch.
    """

    priority = "VERY_HIGH"  # before anything is logged, and before a checkpoint is written

    def __init__(self) -> None:
        self.in_a_row = 0

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        losses = {
            name: value.item() if isinstance(value, Tensor) else float(value)
            for name, value in (outputs or {}).items()
            if "loss" in name
        }
        broken = {name: value for name, value in losses.items() if not math.isfinite(value)}
        self.in_a_row = self.in_a_row + 1 if broken else 0
        scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
        if not broken or (scaler is not None and self.in_a_row < SKIPPED):
            return
        # The total is broken because a part is.
        name = next((one for one in broken if one != "loss"), "loss")
        images = ", ".join(_names(data_batch)) or "unknown"
        raise TrainingError(
            f"iteration {runner.iter + 1}: {name} is {broken[name]:g}, of the images {images}; "
            "the weights are unusable from here on. Look at these images and their annotations; if "
            "they are right, lower optim_wrapper.optimizer.lr or set "
            'optim_wrapper.clip_grad="dict(max_norm=35)"'
        )


def _names(batch: Any) -> Iterator[str]:
    samples = batch.get("data_samples") if isinstance(batch, Mapping) else None
    for sample in samples or ():
        path = getattr(sample, "metainfo", {}).get("img_path")
        if path:
            yield PurePath(path).name
