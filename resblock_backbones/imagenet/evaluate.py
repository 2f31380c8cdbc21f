"""Top-1 and Top-5 error on a folder of images with one subfolder per class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from ..console.progress import Progress
from ..data.errors import DatasetError
from .preprocessing import Transform


class FolderError(DatasetError):
    """A folder of images does not exist, or does not fit the classifier."""


@dataclass(frozen=True)
class Errors:
    """Errors of one classifier, in percent.

    Attributes:
        name: of the classifier.
        top1: share of images whose class is not the first prediction.
        top5: share of images whose class is not among the first five predictions.
        images: number of images.
    """

    name: str
    top1: float
    top5: float
    images: int


def evaluate(
    name: str,
    classifier: nn.Module,
    folder: Path,
    transform: Transform,
    *,
    classes: int,
    batch_size: int = 64,
    workers: int = 0,
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> Errors:
    """Top-1 and Top-5 error of a classifier on all images of a folder.

    Args:
        name: of the classifier.
        classifier: ``(N, 3, H, W)`` to ``(N, classes)``.
        folder: has one subfolder per class, in the order of the classes; some may be empty. If it
            contains a folder ``val``, that is used.
        transform: from an image to ``(3, H, W)``.
        classes: number of the classifier's classes.
        batch_size: images in a batch.
        workers: processes that read images.
        device: where to compute.
        progress: whether to show progress on stderr.

    Raises:
        FolderError: the folder does not exist, has another number of classes, or no images; or an
            image cannot be read.
    """
    images = open_folder(folder, transform, classes)
    loader = DataLoader(images, batch_size, num_workers=workers)
    parameter = next(classifier.parameters())
    classifier = classifier.to(device).eval()
    wrong1 = wrong5 = 0
    with torch.inference_mode(), Progress(total=len(loader), title=name, show=progress) as bar:
        for batch, labels in _batches(loader):
            logits = classifier(batch.to(device, parameter.dtype))
            guesses = logits.topk(min(5, classes), dim=1).indices.cpu()
            right = guesses == labels[:, None]
            wrong1 += int((~right[:, 0]).sum())
            wrong5 += int((~right.any(1)).sum())
            bar.step()
    count = len(images)
    return Errors(name, 100 * wrong1 / count, 100 * wrong5 / count, count)


def open_folder(folder: Path, transform: Transform | None, classes: int) -> ImageFolder:
    """The images of a folder with one subfolder per class.

    Raises:
        FolderError: it does not exist, has another number of classes, or no images.
    """
    folder = folder / "val" if (folder / "val").is_dir() else folder
    if not folder.is_dir():
        raise FolderError(f"{folder}: there is no such folder")
    try:
        images = ImageFolder(str(folder), transform, loader=_read, allow_empty=True)
    except FileNotFoundError as error:
        raise FolderError(f"{folder}: has no subfolders, one per class") from error
    if len(images.classes) != classes:
        raise FolderError(
            f"{folder}: has {len(images.classes)} subfolders, the weights have {classes} "
            "classes; give one subfolder per class, empty ones too"
        )
    if not images:
        raise FolderError(f"{folder}: contains no images")
    return images


def error_table(rows: Iterable[Errors]) -> str:
    """The table of errors in the form of the blog post.

    >>> print(error_table([Errors("ResNet-18", 30.43, 10.76, 50000)]))
    Name | Top-1 error | Top-5 error |
    ---|---|---|
    ResNet-18 | 30.43 | 10.76 |
    """
    lines = ["Name | Top-1 error | Top-5 error |", "---|---|---|"]
    lines += [f"{row.name} | {row.top1:.2f} | {row.top5:.2f} |" for row in rows]
    return "\n".join(lines)


def _batches(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    try:
        yield from loader
    except FolderError as error:
        # An error in a worker carries the whole traceback as text; the last line is the message.
        last = str(error).strip().splitlines()[-1]
        raise FolderError(last.rpartition("FolderError: ")[2]) from error


def _read(path: str) -> Any:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise FolderError(f"{path}: is not an image, or is damaged ({error})") from error
