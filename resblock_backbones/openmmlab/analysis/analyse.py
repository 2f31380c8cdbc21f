"""What a trained model gets right and wrong: `resblock analyse`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ...analysis.detections.page import Choices, add_detections
from ...analysis.detections.results import ImageResult, image_result
from ...analysis.detections.worst import Drawing
from ...analysis.report import Report, refuse_existing
from ...console.progress import Progress
from ...options.errors import ConfigError, InputError
from ..configs.read import read_config
from ..configs.scopes import check_scope
from ..datasets.dataset_checks import check_datasets
from .annotations import annotations_of
from .areas import areas_of_file
from .predictions import Predictions, of_model
from .samples import Samples, open_samples
from .saved import of_file


def analyse(
    config: str,
    out: str,
    *,
    checkpoint: str | None = None,
    predictions: str | None = None,
    split: str = "test",
    worst: int = 20,
    score_threshold: float | None = None,
    device: str | None = None,
    force: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> tuple[Report, dict[str, float]]:
    """Write a page about what a model predicts for a data set of its config.

    Args:
        config: the config file.
        out: the folder to write.
        checkpoint: with all the model's weights; or an `.onnx` file of the model.
        predictions: in place of a checkpoint: see `saved.of_file`.
        split: `train`, `val` or `test`, whose images and annotations are taken; the pipeline is
            always that of the test.
        worst: images that are drawn.
        score_threshold: of the confusion matrix and the drawings; None: that with the best F1.
        device: where to compute; None is a GPU if one is available.
        force: replace files of an earlier run.
        cfg_options: dotted key -> value, merged into the config.
        progress: whether to show progress on stderr.

    Returns:
        The page, which is written, and the main numbers.

    Raises:
        InputError: the config, its data, the checkpoint or the predictions are wrong, or do not
            belong together; or `out` cannot be written.
    """
    if (checkpoint is None) == (predictions is None):
        raise InputError("what to analyse? give a CHECKPOINT, or --predictions FILE")
    if worst < 0:
        raise InputError(f"--worst {worst}: must be at least 0")
    if score_threshold is not None and not 0 <= score_threshold <= 1:
        raise InputError(f"--score-threshold {score_threshold}: must lie in 0 to 1")
    refuse_existing(Path(out), force=force)
    cfg = read_config(config, cfg_options)
    check_scope(cfg)
    loader = f"{split}_dataloader"
    if not cfg.get(loader):
        raise ConfigError(f"{config}: has no {loader}")
    report = Report(f"{Path(config).stem}: results", [config])
    with tempfile.TemporaryDirectory() as scratch:
        cfg.work_dir = scratch
        checked = check_datasets(cfg, [loader])
        for warning in checked.warnings:
            report.finding("warning", warning)
        samples = open_samples(cfg, loader, checked.copies)
        infos = dict(samples.numbers())
        _refuse_without_annotations(infos, config, loader)
        found = _predictions(cfg, samples, infos, checkpoint, predictions, device)
        for level, line in found.findings:
            report.finding(level, line)
        report.lines = [
            *report.lines,
            f"{checkpoint or predictions}",
            f"{len(found.numbers)} images of {loader}, {len(samples.classes)} classes",
        ]
        numbers = _Analysis(samples, infos, found, report, progress).add(worst, score_threshold)
    report.write(Path(out), force=force)
    return report, numbers


def _predictions(
    cfg: Config,
    samples: Samples,
    infos: Mapping[int, Mapping[str, Any]],
    checkpoint: str | None,
    predictions: str | None,
    device: str | None,
) -> Predictions:
    if predictions is not None:
        ids = getattr(samples.dataset, "cat_ids", None)
        return of_file(predictions, infos, samples.classes, ids)
    assert checkpoint is not None
    files = {number: Path(one["img_path"]) for number, one in infos.items()}
    return of_model(cfg, checkpoint, files, samples.classes, device)


def _refuse_without_annotations(
    infos: Mapping[int, Mapping[str, Any]], config: str, loader: str
) -> None:
    if not infos:
        raise ConfigError(f"{config}: {loader}.dataset has no images")
    if not any(one.get("instances") or one.get("seg_map_path") for one in infos.values()):
        raise ConfigError(
            f"{config}: {loader}.dataset has no annotations of its {len(infos)} images, so there "
            "is nothing to compare predictions with; give --split val, or annotations"
        )


class _Analysis:
    """Collects results image by image, and adds the sections of the page."""

    def __init__(
        self,
        samples: Samples,
        infos: Mapping[int, Mapping[str, Any]],
        found: Predictions,
        report: Report,
        progress: bool,
    ) -> None:
        self.samples, self.infos, self.found = samples, infos, found
        self.report, self.progress = report, progress
        self.drawing = Drawing(
            lambda number: samples.raw(number)[0], samples.name_of, samples.colour_of
        )

    def add(self, worst: int, score_threshold: float | None) -> dict[str, float]:
        choices = Choices(
            worst=worst,
            threshold=score_threshold,
            cut_at=self.found.cut_at,
            cut_by=self.found.cut_by,
            evaluation=_faster_evaluation(),
            progress=self.progress,
        )
        classes = self.samples.classes
        return add_detections(
            self.report, self._detections(), classes, self.samples.palette, self.drawing, choices
        )

    def _detections(self) -> list[ImageResult]:
        areas = areas_of_file(self.samples.dataset)
        results = []
        with Progress(
            total=len(self.found.numbers), title="images", show=self.progress
        ) as progress:
            for number in sorted(self.found.numbers):
                results.append(self._detection(number, areas))
                progress.step()
        return results

    def _detection(self, number: int, areas: Mapping[Any, float]) -> ImageResult:
        info, prediction = self.infos[number], self.found.of(number)
        if prediction.boxes is None:
            raise ConfigError(
                "predictions are label maps, and the data set has boxes: they are of another config"
            )
        size = (info["width"], info["height"])
        truth = annotations_of(info, size if prediction.masks is not None else None)
        _refuse_strange_labels(prediction.labels, len(self.samples.classes))
        assert truth.boxes is not None and truth.labels is not None
        keys = [
            (info.get("img_id"), *box, label)
            for box, label in zip(truth.boxes.tolist(), truth.labels.tolist(), strict=True)
        ]
        known = [areas.get(key) for key in keys]
        return image_result(
            number,
            truth,
            prediction,
            np.array(known, float) if known and None not in known else None,
        )


def _refuse_strange_labels(labels: np.ndarray | None, classes: int) -> None:
    if labels is not None and len(labels) and labels.max() >= classes:
        raise ConfigError(
            f"predictions have the label {labels.max()}, and the data set has {classes} classes: "
            "they are of another config"
        )


def _faster_evaluation() -> type | None:
    """COCO's evaluation in C++, where it is installed; the numbers are the same."""
    from importlib.util import find_spec

    if find_spec("faster_coco_eval") is None:
        return None
    from ..training.evaluation.faster_coco import FasterEvaluation

    return FasterEvaluation
