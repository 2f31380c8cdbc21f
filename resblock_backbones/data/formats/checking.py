"""Check a folder of annotations without a config, and write a repaired copy of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ...files.whole import write_whole
from ..annotations.check import Checked, check_coco, content_of
from ..annotations.json_files import read_json, write_json
from ..annotations.usage import Rules, Usage, check_usage, usage_of
from ..errors import DatasetError
from ..findings import Findings
from ..images.facts import cache_folder
from ..images.shared import shared_images, told_of_shared
from ..label_maps import check_label_maps
from ..split_classes import exchanged, never_learnt
from .coco_folder import check_together, image_folder, root_categories, split_of_file
from .dataset import AnnotatedImages, ImageIndex
from .mask_folder import MaskFolder
from .recognise import Reader, recognise, several_formats, the_one
from .writing import check_splits, write_label_maps, write_objects


@dataclass
class FolderReport:
    """What a check of a folder gave.

    Attributes:
        tables: what is there.
        found: level -> a line for each kind of finding.
        written: files of the repaired copy.
        images: split -> its images, where a folder or a file name tells one.
    """

    tables: list[str] = field(default_factory=list)
    found: dict[str, list[str]] = field(
        default_factory=lambda: {"error": [], "warning": [], "note": []}
    )
    written: list[Path] = field(default_factory=list)
    images: dict[str, list[Path]] = field(default_factory=dict)

    def add(self, findings: Findings) -> None:
        """Add the findings of a file or a format."""
        for one in findings:
            self.found[one.level].append(one.line)

    def put(self, split: str | None, images: Iterable[Path]) -> None:
        """Note the images of a split."""
        if split is not None:
            self.images.setdefault(split, []).extend(images)

    def lines(self) -> list[str]:
        """All findings, errors first, each with its level; a single error is told at the end."""
        found = self.found | ({} if len(self.found["error"]) > 1 else {"error": []})
        return [f"{level}: {line}" for level, lines in found.items() for line in lines]

    def refuse_errors(self) -> None:
        """Stop where anything is wrong.

        Raises:
            DatasetError: the first error, and how many kinds there are.
        """
        errors = self.found["error"]
        if errors:
            others = f"; other kinds of mistakes: {len(errors) - 1}" if len(errors) > 1 else ""
            raise DatasetError(errors[0] + others)


def check_folder(
    folder: Path, *, format: str | None = None, fix: Path | None = None
) -> FolderReport:
    """Check all annotations of a folder, or one annotation file.

    Where nothing has changed since the last check, neither the files nor these checks, what it
    found is told again.

    Args:
        folder: of images and annotations, or a COCO file.
        format: the one that is checked, where a folder has several.
        fix: the folder for a repaired copy; the originals stay as they are.

    Raises:
        DatasetError: nothing in it is known, or the folder of the copy is not empty.
    """
    if fix is not None:
        if fix.exists() and (not fix.is_dir() or any(fix.iterdir())):
            raise DatasetError(f"--fix {fix}: already exists; give a new folder")
        return _checked(folder, format, fix)
    cache = cache_folder()
    if cache is None or not folder.exists():
        return _checked(folder, format, None)
    remembered = cache / f"check-{_fingerprint(folder, format)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        known = json.loads(remembered.read_bytes())
        return FolderReport(tables=known["tables"], found=known["found"])
    report = _checked(folder, format, None)
    with contextlib.suppress(OSError):
        content = {"tables": report.tables, "found": report.found}
        write_whole(remembered, json.dumps(content).encode())
    return report


def _fingerprint(folder: Path, format: str | None) -> str:
    """Name, size and time of change of all files, and of the checks themselves."""
    digest = hashlib.sha256(f"{folder.absolute()} {format}".encode())
    for root in (folder if folder.is_dir() else folder.parent, Path(__file__).parents[1]):
        for path, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(files):
                with contextlib.suppress(OSError):
                    stat = os.stat(os.path.join(path, name))  # noqa: PTH116, PTH118
                    digest.update(f"{path}/{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


def _checked(folder: Path, format: str | None, fix: Path | None) -> FolderReport:
    report = FolderReport()
    found = recognise(folder)
    if format is not None:
        only = the_one(found, format, folder)
        found = {only.format: only}
    objects = [name for name in found if name != "masks"]
    if fix is not None and len(objects) > 1:
        raise DatasetError(several_formats(folder, objects))
    for name, reader in found.items():
        if name == "coco":
            _check_all_coco(folder, reader, fix, report)
            continue
        data = reader()
        if isinstance(data, MaskFolder):
            _check_masks(data, fix, report)
        else:
            _check_objects(data, fix, report)
    if len(objects) > 1:
        report.found["error"].append(several_formats(folder, objects))
    _check_shared(folder, report)
    return report


def _check_shared(folder: Path, report: FolderReport) -> None:
    """Images that splits share, which no part of a folder tells alone."""
    for split in ("val", "test"):
        images = report.images.get(split, [])
        pairs = shared_images(report.images.get("train", []), images)
        if pairs:
            line = told_of_shared(pairs, len(set(images)), "train")
            report.found["warning"].append(f"{folder}: {split}: {line}")


def _check_all_coco(folder: Path, reader: Reader, fix: Path | None, report: FolderReport) -> None:
    base = folder if folder.is_dir() else folder.parent
    index = ImageIndex(base)
    documents = [_check_coco(file, base, index, fix, report) for file in reader.files]
    whole = {one.document.file: one for one in documents if one is not None}
    if folder.is_dir() and len(whole) == len(reader.files):
        findings = Findings(folder)
        check_together({file: one.document for file, one in whole.items()}, folder, findings)
        named = [file for one in whole.values() for file in one.files.values()]
        for reason, count in reader.passed_over(named).items():
            findings.warning(reason, "", f"left out: {count} {reason}")
        report.add(findings)


def _check_coco(
    file: Path, base: Path, index: ImageIndex, fix: Path | None, report: FolderReport
) -> Checked | None:
    """The file as it was checked, where nothing is wrong with it."""
    content = read_json(file)
    images = image_folder(file, content, base, index)
    entries = content.get("annotations")
    entries = entries if isinstance(entries, list) else []
    with_mask = sum(bool(one.get("segmentation")) for one in entries if isinstance(one, dict))
    # Of some objects alone: a model of boxes learns from all of them.
    masks = None if with_mask else False
    checked = check_coco(file, images, content=content, masks=masks, fix=fix is not None)
    document = checked.document
    if not document.findings.of("error"):
        roots = root_categories(document)
        usage = usage_of(document, Rules(tuple(n for n in document.names if n not in roots)))
        if entries:
            check_usage(usage, document.findings, training=True, title="")
        report.tables.append(usage.table(str(file)))
        if fix is not None:
            target = fix / file.relative_to(base)
            write_json(target, content_of(document))
            report.written.append(target)
    report.put(split_of_file(file, base), checked.files.values())
    report.add(document.findings)
    return None if document.findings.of("error") else checked


def _check_masks(data: MaskFolder, fix: Path | None, report: FolderReport) -> None:
    findings = data.findings
    pairs = [(image, labels) for image, labels, _ in data.pairs]
    for image, _, split in data.pairs:
        report.put(split, [image])
    usage, _ = check_label_maps(pairs, data.rules, findings, data.facts)
    if data.without_map:
        first, count = data.without_map[0], len(data.without_map)
        findings.warning("no map", "", f"{first}: has no label map ({count} such images left out)")
    if not findings.of("error"):
        check_usage(usage, findings, training=True, title="label maps")
        check_splits([split for _, _, split in data.pairs], findings)
        _check_splits_of_maps(data, findings)
    if data.unpaired:
        findings.warning("unpaired", "", f"{data.unpaired[0]}: there is no image of this name")
    report.tables.append(usage.table(str(findings.source)))
    if fix is not None:
        if data.binary:
            findings.discard("0 and 255")
        if not findings.of("error"):
            report.written += write_label_maps(data, fix).files.values()
    report.add(findings)


def _check_splits_of_maps(data: MaskFolder, findings: Findings) -> None:
    """What the numbers of one split tell of those of another."""
    counts = {split: data.counts_of(split) for split in ("train", "val", "test")}
    images = Counter(split for _, _, split in data.pairs)
    training, others = counts.pop("train"), {one: counts[one] for one in counts if images[one]}
    for line in never_learnt(training, others, "pixels"):
        findings.warning(line, "", line)
    for split, other in others.items():
        told = exchanged(training, other, [images["train"], images[split]], split)
        if told is not None:
            findings.warning("exchanged", split, told)


def _check_objects(data: AnnotatedImages, fix: Path | None, report: FolderReport) -> None:
    for reason, count in data.dropped.items():
        data.findings.warning(reason, "", f"left out: {count} {reason}")
    for image in data.images:
        report.put(image.split, [image.file])
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
        check_splits([image.split for image in data.images], data.findings)
    report.tables.append(usage.table(f"{data.findings.source} ({data.format})"))
    report.add(data.findings)
    if fix is not None and not data.findings.of("error"):
        report.written += write_objects(data, fix).files.values()
