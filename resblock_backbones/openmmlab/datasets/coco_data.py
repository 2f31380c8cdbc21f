"""Check the annotation files of MMDetection's `CocoDataset`, and repair what is certain.

A file in which something was repaired is written to the run's own folder, and both the data set and
the evaluator read that copy. The original stays as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...data.annotations.check import Checked, check_coco, write_copy
from ...data.annotations.classes_check import class_names
from ...data.annotations.usage import Rules, Usage, check_usage, usage_of
from ...data.findings import Findings
from ...options.errors import ConfigError, InputError
from .images import loader_of
from .pipelines import step_of


@dataclass(frozen=True)
class Purpose:
    """What a data set of a config is for.

    Attributes:
        key: where it stands, such as ``train_dataloader.dataset``.
        training: it is learnt from.
        compared: predictions are compared with its annotations.
        metrics: of what: ``bbox``, ``segm``, ...
    """

    key: str
    training: bool
    compared: bool = False
    metrics: tuple[str, ...] = ()


@dataclass
class CheckedData:
    """What checks of all data sets gave.

    Attributes:
        notes: lines for the log.
        warnings: likewise, louder.
        tables: what will be used, a table a data set.
        copies: annotation file -> the repaired copy that the run reads.
        images: key of a data set -> its images.
        pixels: key of a data set of label maps -> what is used of them.
        classes: loader -> the names of its classes, by label.
        folder: of the run, for the copies; None writes none.
        errors: lines of what a run would refuse; None where the first error is raised.
    """

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    copies: dict[Path, Path] = field(default_factory=dict)
    images: dict[str, set[Path]] = field(default_factory=dict)
    pixels: dict[str, Usage] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    folder: Path | None = None
    errors: list[str] | None = None

    @contextlib.contextmanager
    def errors_kept(self) -> Iterator[None]:
        """What is wrong inside of this is kept in `errors`, or raised where that is None."""
        try:
            yield
        except InputError as error:
            if self.errors is None:
                raise
            self.errors.append(str(error))

    def has_errors(self, findings: Findings) -> bool:
        """Whether there are errors among findings; they are kept in `errors`, or raised.

        Raises:
            DatasetError: there are, and this is for a run.
        """
        if self.errors is None:
            findings.refuse_errors()
            return False
        lines = [one.line for one in findings.of("error")]
        self.errors += [line for line in lines if line not in self.errors]
        return bool(lines)


def check_coco_data(
    dataset: Mapping[str, Any],
    classes: tuple[str, ...],
    purpose: Purpose,
    result: CheckedData,
) -> None:
    """Check the annotation file of one data set, with its images.

    Args:
        dataset: the config of it; its file and folder are there.
        classes: in the order of the labels.
        purpose: what it is for.
        result: receives what was found.

    Raises:
        DatasetError: one line.
    """
    root = Path(dataset.get("data_root") or "")
    file = root / dataset["ann_file"]
    images = root / ((dataset.get("data_prefix") or {}).get("img") or "")
    checked = check_coco(
        file,
        images,
        classes=classes,
        classes_key=f"{purpose.key}.metainfo.classes",
        masks=_reads_masks(dataset, purpose),
        loader=loader_of(dataset.get("pipeline") or []),
    )
    document = checked.document
    if "annotations" not in document.content and (purpose.training or purpose.compared):
        document.findings.error("no annotations", "", f"has no 'annotations'; {_cure(purpose)}")
    if result.has_errors(document.findings):
        return
    usage = usage_of(document, _rules(dataset, classes, purpose))
    if purpose.training or purpose.compared:
        check_usage(usage, document.findings, training=purpose.training, title=purpose.key)
        if result.has_errors(document.findings):
            return
    if purpose.training:
        _refuse_run_lengths_as_polygons(checked, dataset, usage)
    result.tables.append(usage.table(purpose.key))
    told = [one.line for one in document.findings.of("warning")]
    result.warnings += [line for line in told if line not in result.warnings]
    result.images[purpose.key] = {one.resolve() for one in checked.files.values()}
    if checked.repaired:
        _use_copy(checked, purpose, result)


def _use_copy(checked: Checked, purpose: Purpose, result: CheckedData) -> None:
    document = checked.document
    notes = [one.line for one in document.findings.of("note")]
    if result.folder is None:
        result.notes += [line for line in notes if line not in result.notes]
        return
    copy = write_copy(document, result.folder / "annotations")
    known = result.copies.setdefault(document.file.resolve(), copy)
    if known != copy:
        raise ConfigError(
            f"{purpose.key}: {document.file} is read by several data sets with other classes, or "
            "another order of them; give each a file of its own"
        )
    lines = [*notes, f"{document.file}: {copy} is read in its place"]
    result.notes += [line for line in lines if line not in result.notes]


def metrics_of(evaluator: Any) -> tuple[tuple[str, ...], bool]:
    """What CocoMetric compares, and whether any evaluator compares with annotations at all."""
    parts = evaluator if isinstance(evaluator, list | tuple) else [evaluator or {}]
    metrics: list[str] = []
    compared = False
    for one in parts:
        if not isinstance(one, Mapping) or not one or one.get("format_only"):
            continue
        compared = True
        given = one.get("metric") or ()
        metrics += [given] if isinstance(given, str) else list(given)
    return tuple(metrics), compared


def classes_of(given: Any, default: Any, key: str) -> tuple[str, ...]:
    """The classes of a data set: of its metainfo, else of its class; a file of names is read.

    Raises:
        DatasetError: it is no list of names.
    """
    if given is None:
        return tuple(default or ())
    if isinstance(given, str) and Path(given).is_file():
        lines = Path(given).read_text(encoding="utf-8").splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    return class_names(given, key)


def _rules(dataset: Mapping[str, Any], classes: tuple[str, ...], purpose: Purpose) -> Rules:
    chosen = dataset.get("filter_cfg") or {}
    return Rules(
        classes=classes,
        test_mode=bool(dataset.get("test_mode")) or not purpose.training,
        filter_empty_gt=bool(chosen.get("filter_empty_gt")),
        min_size=chosen.get("min_size") or 0,
    )


def _reads_masks(dataset: Mapping[str, Any], purpose: Purpose) -> bool:
    if purpose.training:
        return bool(step_of(dataset.get("pipeline"), "LoadAnnotations").get("with_mask"))
    return purpose.compared and "segm" in purpose.metrics


def _refuse_run_lengths_as_polygons(
    checked: Checked, dataset: Mapping[str, Any], usage: Usage
) -> None:
    load = step_of(dataset.get("pipeline"), "LoadAnnotations")
    if not load.get("with_mask") or load.get("poly2mask", True):
        return
    count = sum(
        isinstance(one.get("segmentation"), dict) for _, one in checked.document.annotations
    )
    if count:
        raise ConfigError(
            f"{checked.document.file}: {count} of {usage.all_objects} masks are run lengths, "
            "which LoadAnnotations(poly2mask=False) leaves out: write poly2mask=True"
        )


def _cure(purpose: Purpose) -> str:
    if purpose.training:
        return "nothing to learn from"
    name = purpose.key.split("_dataloader")[0]
    return (
        f"nothing to compare predictions with: {name}_evaluator.format_only=True (and "
        "outfile_prefix='...') writes the predictions alone"
    )
