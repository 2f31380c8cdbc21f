"""All checks of a COCO annotation file, and the copy that a run reads where it was repaired."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...files.whole import write_whole
from ..images.facts import ImageFacts, look_at
from ..images.reading import Loader
from .box_patterns import check_box_patterns
from .classes_check import check_classes
from .document import CocoDocument, read_document
from .images_check import check_images, fill_sizes, image_files
from .objects_check import check_objects


@dataclass
class Checked:
    """A checked annotation file.

    Attributes:
        document: with what was certain repaired.
        files: image id -> its file; empty where the folder of images is not known.
        facts: of these files.
    """

    document: CocoDocument
    files: dict[Any, Path]
    facts: dict[Path, ImageFacts]

    @property
    def repaired(self) -> bool:
        """Whether the document differs from its file, or pycocotools cannot read that."""
        return bool(self.document.findings.of("note"))


def check_coco(
    file: Path,
    images: Path | None,
    *,
    content: Any = None,
    classes: Sequence[str] = (),
    classes_key: str = "classes",
    masks: bool | None = False,
    loader: Loader | None = None,
    progress: bool = True,
    fix: bool = False,
) -> Checked:
    """Check every value of an annotation file that a loader or an evaluator reads.

    Args:
        file: the JSON.
        images: the folder that its file names begin from; None checks no files.
        content: of the JSON, where it has been read already.
        classes: of the run, in the order of their labels; empty are the file's own.
        classes_key: where they stand.
        masks: whether masks are read; None: where objects have them.
        loader: how images are read.
        progress: whether a progress bar is shown.
        fix: whether what is certain is repaired also where a run refuses it.

    Returns:
        What was found is in `document.findings`.

    Raises:
        DatasetError: it is no COCO JSON at all.
    """
    document = read_document(file, content=content, repair_below=images if fix else None)
    loader = loader or Loader()
    files: dict[Any, Path] = {}
    facts: dict[Path, ImageFacts] = {}
    if images is not None:
        files = image_files(document, images)
        facts = look_at(list(files.values()), progress=progress, title=f"images of {file.name}")
        fill_sizes(document, files, facts, loader)
        check_images(document, files, facts, loader)
    check_objects(document, masks=masks)
    check_box_patterns(document)
    if classes:
        check_classes(document, classes, classes_key)
    return Checked(document, files, facts)


def content_of(document: CocoDocument) -> dict[str, Any]:
    """The whole content of a document as it is now."""
    return document.content | {
        "images": [one for _, one in document.images],
        "categories": [one for _, one in document.categories],
        "annotations": [one for _, one in document.annotations],
    }


def write_copy(document: CocoDocument, folder: Path) -> Path:
    """Write a document as it is now, for a run; the same document gives the same file.

    Args:
        document: a checked one.
        folder: of the run.

    Returns:
        The file.
    """
    # ASCII alone: pycocotools opens files in the encoding of the machine.
    content = json.dumps(content_of(document)).encode()
    digest = hashlib.sha256(content).hexdigest()[:12]
    copy = folder / f"{document.file.stem}-{digest}.json"
    if not copy.is_file():
        write_whole(copy, content)
    return copy
