"""Check a folder of annotations without a config, and write a repaired copy of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..annotations.check import check_coco, content_of
from ..annotations.json_files import read_json
from ..annotations.usage import Rules, Usage, check_usage, usage_of
from ..annotations.writing import write_json
from ..errors import DatasetError
from ..findings import Findings
from ..label_maps import check_label_maps
from .coco_folder import image_folder
from .dataset import AnnotatedImages, ImageIndex
from .mask_folder import MaskFolder
from .recognise import json_kind, recognise
from .writing import write_label_maps, write_objects


@dataclass
class FolderReport:
    """What a check of a folder gave.

    Attributes:
        findings: one for each file, or format.
        tables: what is there.
        written: files of the repaired copy.
    """

    findings: list[Findings] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    def lines(self) -> list[str]:
        """All findings, errors first, each with its level."""
        return [
            f"{level}: {one.line}"
            for level in ("error", "warning", "note")
            for findings in self.findings
            for one in findings.of(level)
        ]

    def refuse_errors(self) -> None:
        """Stop where anything is wrong.

        Raises:
            DatasetError: the first error, and how many kinds there are.
        """
        kinds = [one.line for findings in self.findings for one in findings.of("error")]
        if kinds:
            others = f"; other kinds of mistakes: {len(kinds) - 1}" if len(kinds) > 1 else ""
            raise DatasetError(kinds[0] + others)


def check_folder(folder: Path, *, fix: Path | None = None) -> FolderReport:
    """Check all annotations of a folder, or one annotation file.

    Args:
        folder: of images and annotations, or a COCO file.
        fix: the folder for a repaired copy; the originals stay as they are.

    Raises:
        DatasetError: nothing in it is known, or the folder of the copy is not empty.
    """
    if fix is not None and fix.exists() and (not fix.is_dir() or any(fix.iterdir())):
        raise DatasetError(f"--fix {fix}: is there already; give a new folder")
    report = FolderReport()
    for name, read in recognise(folder).items():
        if name == "coco":
            base = folder if folder.is_dir() else folder.parent
            files = [folder] if folder.is_file() else sorted(folder.rglob("*.json"))
            index = ImageIndex(base)
            for file in files:
                if json_kind(file) == "coco":
                    _check_coco(file, base, index, fix, report)
            continue
        data = read()
        if isinstance(data, MaskFolder):
            _check_masks(data, fix, report)
        else:
            _check_objects(data, fix, report)
    return report


def _check_coco(
    file: Path, base: Path, index: ImageIndex, fix: Path | None, report: FolderReport
) -> None:
    images = image_folder(file, base, index)
    entries = read_json(file).get("annotations")
    entries = entries if isinstance(entries, list) else []
    with_mask = sum(bool(one.get("segmentation")) for one in entries if isinstance(one, dict))
    masks = with_mask > len(entries) / 2
    checked = check_coco(file, images, masks=masks, fix=fix is not None)
    document = checked.document
    if not document.findings.of("error"):
        usage = usage_of(document, Rules(tuple(document.names)))
        if entries:
            check_usage(usage, document.findings, training=True, title="")
        report.tables.append(usage.table(str(file)))
        if fix is not None:
            target = fix / file.relative_to(base)
            write_json(target, content_of(document))
            report.written.append(target)
    report.findings.append(document.findings)


def _check_masks(data: MaskFolder, fix: Path | None, report: FolderReport) -> None:
    findings = data.findings
    pairs = [(image, labels) for image, labels, _ in data.pairs]
    usage, _ = check_label_maps(pairs, data.rules, findings)
    if data.unpaired:
        findings.warning("unpaired", "", f"{data.unpaired[0]}: there is no image of this name")
    report.tables.append(usage.table(str(findings.source)))
    if fix is not None:
        mended = Findings(findings.source)
        for one in findings:
            if not (data.binary and "255 is ignored" in one.message):
                mended.add(one.level, one.message, "", one.message)
        if not mended.of("error"):
            report.written += write_label_maps(data, fix).files.values()
        findings = mended
    report.findings.append(findings)


def _check_objects(data: AnnotatedImages, fix: Path | None, report: FolderReport) -> None:
    report.findings.append(data.findings)
    for reason, count in data.dropped.items():
        data.findings.warning(reason, "", f"left out: {count} {reason}")
    usage = Usage(
        images=len(data.images),
        all_images=len(data.images),
        objects=sum(len(image.objects) for image in data.images),
    )
    usage.all_objects = usage.objects
    for name in data.classes:
        found = [[one.name for one in image.objects].count(name) for image in data.images]
        usage.per_class[name] = (sum(found), sum(count > 0 for count in found))
    if not data.findings.of("error"):
        check_usage(usage, data.findings, training=True, title=data.format)
    report.tables.append(usage.table(f"{data.findings.source} ({data.format})"))
    if fix is not None and not data.findings.of("error"):
        report.written += write_objects(data, fix).files.values()
