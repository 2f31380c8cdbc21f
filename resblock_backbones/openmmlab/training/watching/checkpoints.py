"""The checkpoint of the best validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import CheckpointHook


class BestCheckpointHook(CheckpointHook):
    """MMEngine's `CheckpointHook`, which goes on where a validation lacks the metric it watches.

    MMDetection gives no metrics for a model that has found nothing yet.
    """

    def _save_best_checkpoint(self, runner: Any, metrics: Mapping[str, float]) -> None:
        watched = [name for name in getattr(self, "key_indicators", ()) if name != "auto"]
        if all(name in metrics for name in watched):
            super()._save_best_checkpoint(runner, metrics)
