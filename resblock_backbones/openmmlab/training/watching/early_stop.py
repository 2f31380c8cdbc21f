"""The end of a run whose metric gets no better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import EpochBasedTrainLoop

from ..report import logs_of, metric_values

#: A smaller gain is none: metrics are rounded to three digits, and a plateau has to end.
LEAST_GAIN = 1e-6


class EarlyStopHook(EarlyStoppingHook):
    """MMEngine's `EarlyStoppingHook`, which goes on counting where a resumed run stopped.

    A checkpoint is written before the validation that follows it, so that the count cannot be
    kept there; it is taken from the logs in the work folder.

    Args:
        metric: the name of a validation metric, or `val_loss`.
        patience: validations without a better value after which training ends.
    """

    def __init__(self, metric: str, patience: int) -> None:
        super().__init__(
            monitor=metric,
            rule="less" if "loss" in metric else "greater",
            min_delta=LEAST_GAIN,
            patience=patience,
        )

    def before_train(self, runner: Any) -> None:
        if not getattr(runner, "_resume", False):
            return
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        done = runner.epoch if by_epoch else runner.iter
        values = metric_values(logs_of(Path(runner.work_dir)), self.monitor)
        for step in sorted(step for step in values if step <= done):
            self.after_val_epoch(runner, {self.monitor: values[step]})
