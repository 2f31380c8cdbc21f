"""What a model will see: `resblock browse`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image

from ...analysis.data_set.label_maps import add_label_maps, pixel_counts
from ...analysis.data_set.objects import add_objects
from ...analysis.ground_truth import GroundTruth
from ...analysis.report import Report, refuse_existing
from ...console.progress import Progress
from ...drawing.annotated import draw_annotated
from ...drawing.label_maps import legend_width
from ...options.errors import ConfigError, InputError
from ..datasets.coco_data import CheckedData
from ..datasets.dataset_checks import check_datasets
from .annotations import annotations_of
from .as_stored import objects_as_stored
from .model_facts import model_facts
from .samples import Samples, evenly, open_samples, read_split

#: The longer side of a drawn image, in pixels.
SIDE = 400
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def browse(
    config: str,
    out: str,
    *,
    split: str = "train",
    images: int = 12,
    draws: int = 3,
    sample: int = 300,
    seed: int = 0,
    force: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Report:
    """Write a page about a data set of a config, and about some of its images.

    Args:
        config: the config file.
        out: the folder to write.
        split: `train`, `val` or `test`.
        images: that are drawn, as they are stored and as the pipeline gives them.
        draws: of each through the pipeline, which has random steps.
        sample: images that go through the pipeline for the statistics; of label maps also those
            that are counted.
        seed: of these draws.
        force: replace files of an earlier run.
        cfg_options: dotted key -> value, merged into the config.
        progress: whether to show progress on stderr.

    Returns:
        The page, which is written.

    Raises:
        InputError: the config is wrong, its data set cannot be built, or `out` not be written.
    """
    for name, value in (("--images", images), ("--draws", draws), ("--sample", sample)):
        if value < 1:
            raise InputError(f"{name} {value}: must be at least 1")
    refuse_existing(Path(out), force=force)
    cfg, loader = read_split(config, split, cfg_options)
    report = Report(f"{Path(config).stem}: {loader}", [config])
    with tempfile.TemporaryDirectory() as scratch:
        cfg.work_dir = scratch
        checked = _check(cfg, report)
        samples = _open(cfg, loader, checked)
        _Browser(cfg, samples, report, seed, progress).add(
            images, draws, sample, objects_as_stored(cfg[loader]["dataset"], checked.errors)
        )
    if checked.tables:
        report.section("What the run will use")
        report.preformatted("\n".join(checked.tables))
    report.write(Path(out), force=force)
    return report


def _check(cfg: Config, report: Report) -> CheckedData:
    """Check all data sets of a config; what is wrong is a finding, and no reason to stop."""
    checked = check_datasets(cfg, [name for name in LOADERS if cfg.get(name)], refuse=False)
    for line in checked.errors or ():
        report.finding("error", line)
    for line in checked.warnings:
        report.finding("warning", line)
    for line in checked.notes:
        if not line.endswith("is read in its place"):  # a copy for this page alone
            report.finding("note", line)
    return checked


def _open(cfg: Config, loader: str, checked: CheckedData) -> Samples:
    try:
        return open_samples(cfg, loader, checked.copies)
    except InputError as error:
        # The checks tell it better than what the data set ran into.
        raise ConfigError(checked.errors[0] if checked.errors else str(error)) from error


class _Browser:
    """Adds the sections of a page."""

    def __init__(
        self, cfg: Config, samples: Samples, report: Report, seed: int, progress: bool
    ) -> None:
        self.cfg, self.samples, self.report = cfg, samples, report
        self.seed, self.progress = seed, progress
        self.legend = 0

    def add(self, images: int, draws: int, sample: int, stored: Mapping[str, GroundTruth]) -> None:
        known = [
            (
                number,
                annotations_of(info),
                bool(info.get("seg_map_path")) and "instances" not in info,
            )
            for number, info in self.samples.numbers()
        ]
        if not known:
            raise ConfigError("the data set has no images")
        of_maps = known[0][2]
        truths = [truth for _, truth, _ in known]
        numbers = [number for number, _, _ in known]
        if of_maps:
            self.legend = legend_width([*self.samples.classes, "255"])
            chosen = evenly(range(len(numbers)), images)
        else:
            chosen = choose(truths, len(self.samples.classes), images)
        self.report.section(
            "Images",
            "On the left as they are stored, then as the training pipeline gives them: what the "
            "model sees. Dashed: ignored.",
        )
        with Progress(total=len(chosen), title="images drawn", show=self.progress) as bar:
            for place in chosen:
                self._add_image(numbers[place], draws, stored)
                bar.step()
        self._add_statistics(numbers, truths, of_maps, sample)

    def _add_image(self, number: int, draws: int, stored: Mapping[str, GroundTruth]) -> None:
        try:
            image, truth = self.samples.raw(number)
        except Exception as error:  # whatever a broken file leads to
            self.report.finding("error", _told(f"image {number}", error))
            return
        truth = stored.get(truth.name, truth)
        self.report.heading(truth.name)
        views = [("stored", image, truth)]
        for turn in range(1, draws + 1):
            drawn = self._sample(number, turn)
            if drawn is not None:
                views.append((f"draw {turn}", *drawn))
        row = []
        for caption, pixels, shown in views:
            count = "" if shown.boxes is None else f", {len(shown.learnt[0])} objects"
            name = f"images/{number:06d}_{caption.replace(' ', '')}"
            text = f"{caption}: {pixels.width}x{pixels.height}{count}"
            row.append((name, self._drawn(pixels, shown), text))
        if truth.label_map is not None:
            self._add_legend([shown for _, _, shown in views])
        self.report.images(row)

    def _add_legend(self, truths: Sequence[GroundTruth]) -> None:
        maps = [truth.label_map.ravel() for truth in truths if truth.label_map is not None]
        labels = np.unique(np.concatenate(maps))
        classes = len(self.samples.classes)
        names = [
            (self.samples.name_of(one), self.samples.colour_of(one) if 0 <= one < classes else None)
            for one in labels.tolist()
        ]
        self.report.legend(names)

    def _drawn(self, image: Image.Image, truth: GroundTruth) -> Image.Image:
        return draw_annotated(
            image,
            truth,
            self.samples.name_of,
            self.samples.colour_of,
            legend=self.legend,
            classes=len(self.samples.classes),
            longest=SIDE,
            dashed=truth.ignored if len(truth.ignored) else None,
        )

    def _sample(self, number: int, turn: int) -> tuple[Any, GroundTruth] | None:
        try:
            drawn = self.samples.draw(number, self.seed + turn)
        except ConfigError:
            raise
        except Exception as error:  # whatever a step of the pipeline raises
            self.report.finding("error", _told(f"image {number} in the pipeline", error))
            return None
        if drawn is None:
            self.report.text("The pipeline leaves nothing of this image.")
        return drawn

    def _add_statistics(
        self, numbers: Sequence[int], truths: list[GroundTruth], of_maps: bool, sample: int
    ) -> None:
        places = evenly(range(len(numbers)), sample)
        classes = self.samples.classes
        total = len(numbers)
        if of_maps:
            truths = [truths[place] for place in places]
            numbers = [numbers[place] for place in places]
            places = list(range(len(numbers)))
        before, after = [], []
        with Progress(total=len(places), title="images sampled", show=self.progress) as bar:
            for place in places:
                bar.step()
                if of_maps:
                    before.append(self._counts(numbers[place], truths[place]))
                drawn = self._sample(numbers[place], 1)
                if drawn is not None:
                    after.append((place, drawn[1]))
        if of_maps:
            left = [(place, pixel_counts(truth, len(classes))) for place, truth in after]
            names = [truth.name for truth in truths]
            add_label_maps(self.report, before, left, classes, names, total)
        else:
            add_objects(self.report, truths, after, classes, model_facts(self.cfg))

    def _counts(self, number: int, truth: GroundTruth) -> Any:
        label_map = self.samples.label_map(number)
        size = (label_map.shape[1], label_map.shape[0])
        return pixel_counts(
            GroundTruth(truth.name, size, label_map=label_map), len(self.samples.classes)
        )


def choose(truths: Sequence[GroundTruth], classes: int, count: int) -> list[int]:
    """Images to draw: the first with each class, the most crowded one, and some of all others.

    Returns:
        Their places, in order.
    """
    chosen: list[int] = []
    missing = set(range(classes))
    counts = [len(truth.learnt[0]) for truth in truths]
    if any(counts):
        chosen.append(counts.index(max(counts)))
    for place, truth in enumerate(truths):
        new = missing & set(truth.learnt[1].tolist())
        if new and len(chosen) < max(1, count - count // 3):
            chosen.append(place)
            missing -= new
    for place in evenly(range(len(truths)), count):
        if len(set(chosen)) < count:
            chosen.append(place)
    return sorted(set(chosen))


def _told(what: str, error: Exception) -> str:
    return f"{what}: {' '.join(str(error).split()) or type(error).__name__}"
