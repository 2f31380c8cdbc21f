"""What a trained model gets right and wrong: `resblock analyse`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...analysis.report import Report, refuse_existing
from ...options.errors import ConfigError, InputError
from ..datasets.dataset_checks import check_datasets
from .map_results import add_map_results
from .object_results import add_object_results
from .predictions import Predictions, of_model
from .samples import Samples, open_samples, read_split
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
    cfg, loader = read_split(config, split, cfg_options)
    report = Report(f"{Path(config).stem}: results", [config])
    with tempfile.TemporaryDirectory() as scratch:
        cfg.work_dir = scratch
        checked = check_datasets(cfg, [loader])
        for warning in checked.warnings:
            report.finding("warning", warning)
        samples = open_samples(cfg, loader, checked.copies)
        infos = dict(samples.numbers())
        _refuse_without_annotations(infos, config, loader)
        of_maps = not any("instances" in one for one in infos.values())
        if of_maps and score_threshold is not None:
            raise InputError("--score-threshold: label maps have no scores")
        found = _predictions(cfg, samples, infos, checkpoint, predictions, device, of_maps)
        for level, line in found.findings:
            report.finding(level, line)
        report.lines = [
            *report.lines,
            f"{checkpoint or predictions}",
            f"{len(found.numbers)} images of {loader}, {len(samples.classes)} classes",
        ]
        if of_maps:
            numbers = add_map_results(samples, found, report, worst=worst, progress=progress)
        else:
            numbers = add_object_results(
                samples,
                infos,
                found,
                report,
                worst=worst,
                threshold=score_threshold,
                progress=progress,
            )
    report.write(Path(out), force=force)
    return report, numbers


def _predictions(
    cfg: Config,
    samples: Samples,
    infos: Mapping[int, Mapping[str, Any]],
    checkpoint: str | None,
    predictions: str | None,
    device: str | None,
    of_maps: bool,
) -> Predictions:
    if predictions is not None:
        ids = getattr(samples.dataset, "cat_ids", None)
        return of_file(predictions, infos, samples.classes, ids, of_maps=of_maps)
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
