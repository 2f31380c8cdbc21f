"""The report at the end of training."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop

from ..datasets.palette import palette_of_dataset
from .drawable import ground_truth_of, prediction_of
from .drawings import draw_comparison
from .plots import plot_training
from .report import format_table, read_history, result_rows


@HOOKS.register_module(force=True)
class TrainingReportHook(Hook):
    """After training: a table, an image of predictions beside the ground truth, and a plot.

    The files are in the work folder; their paths are logged.

    Args:
        images: number of validation images that are drawn.
        score_threshold: predictions below it are not drawn.
    """

    priority = "VERY_LOW"

    def __init__(self, images: int = 8, score_threshold: float = 0.3) -> None:
        self.images = images
        self.score_threshold = score_threshold
        self.metrics: dict[str, float] = {}
        self.start = time.monotonic()

    def before_train(self, runner: Any) -> None:
        self.start = time.monotonic()

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        self.metrics = dict(metrics or {})

    @master_only
    def after_train(self, runner: Any) -> None:
        work_dir = Path(runner.work_dir)
        seconds = time.monotonic() - self.start
        val_loop = runner.val_loop
        classes = val_loop.dataloader.dataset.metainfo.get("classes", ()) if val_loop else ()
        lines = [format_table(result_rows(self.metrics, classes, seconds))]
        last = work_dir / "last_checkpoint"
        if last.is_file():
            lines.append(f"checkpoint   {last.read_text().strip()}")
        best = runner.message_hub.runtime_info.get("best_ckpt")
        if best and Path(best).is_file():
            lines.append(f"best         {best}")
        for what, file, draw in (
            ("predictions", work_dir / "predictions.png", self._draw_predictions),
            ("plot", work_dir / "training.png", self._plot),
        ):
            # Training has succeeded, so an image that cannot be drawn is only a warning.
            try:
                if draw(runner, file):
                    lines.append(f"{what:<12} {file}")
            except Exception as error:
                runner.logger.warning(f"{file.name} could not be drawn: {error}")
        runner.logger.log(logging.INFO, "results\n\n%s\n", "\n".join(lines))

    def _plot(self, runner: Any, file: Path) -> bool:
        runs = [runner.timestamp]
        if getattr(runner, "_resume", False):
            runs = sorted(path.name for path in Path(runner.work_dir).iterdir() if path.is_dir())
        logs = [Path(runner.work_dir) / run / "vis_data" / "scalars.json" for run in runs]
        history = read_history(logs)
        if not history.losses:
            return False
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        plot_training(history, file, counted="epoch" if by_epoch else "iteration")
        return True

    def _draw_predictions(self, runner: Any, file: Path) -> bool:
        if not runner.val_loop:
            return False
        dataset = runner.val_loop.dataloader.dataset
        count = min(self.images, len(dataset))
        chosen = [round(index * (len(dataset) - 1) / max(1, count - 1)) for index in range(count)]
        infos = [dataset.get_data_info(index) for index in chosen]
        was_training = runner.model.training
        runner.model.eval()
        try:
            with torch.no_grad():
                # One by one: MMSegmentation cannot batch images of different sizes.
                results = [
                    runner.model.test_step(pseudo_collate([dataset[index]]))[0] for index in chosen
                ]
        finally:
            runner.model.train(was_training)
        ground_truths, predictions = [], []
        for info, result in zip(infos, results, strict=True):
            ground_truth, prediction = (
                ground_truth_of(info, result),
                prediction_of(result, self.score_threshold),
            )
            if ground_truth is None or prediction is None:
                return False
            ground_truths.append(ground_truth)
            predictions.append(prediction)
        from ..datasets.images import image_as_loaded  # needs MMCV, which is slow to import

        draw_comparison(
            [image_as_loaded(dataset, info) for info in infos],
            ground_truths,
            predictions,
            dataset.metainfo["classes"],
            palette_of_dataset(dataset),
            file,
        )
        return True
