"""What is to be known of many image files: looked at in parallel, remembered for the next time.

A file that has the size and the time of change that it had is not opened again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...console.progress import Progress
from ...files.whole import write_whole
from ..errors import ImageError
from .reading import ORIENTATION, Loader, opened_image, stored_size
from .tiff import bands_of
from .whole import fault_of

#: Raised whenever the same file would give other facts.
VERSION = 3
#: The folder for what is remembered; empty: nothing is.
CACHE_VARIABLE = "RESBLOCK_CACHE"
#: Modes of Pillow whose pixels are numbers of classes.
LABEL_MODES = ("1", "L", "P", "I;16", "I;16B", "I")
#: With fewer files a bar is gone before it is read.
FEWEST_SHOWN = 200


@dataclass(frozen=True)
class ImageFacts:
    """What the beginning and the end of an image file tell.

    Attributes:
        width, height: as stored, before any turn.
        mode: Pillow's name of the kind of pixels: ``L``, ``RGB``, ``P``, ``I;16``, ``F``, ...
        bands: samples a pixel of a TIFF that is no photo; else 0.
        orientation: Exif's, 1 to 8.
        file_format: ``PNG``, ``JPEG``, ...
        bytes: size of the file.
        fault: why the file is no whole image; None where it is one.
        labels: of a label map: value -> number of its pixels; None where it holds no numbers.
    """

    width: int = 0
    height: int = 0
    mode: str = ""
    bands: int = 0
    orientation: int = 1
    file_format: str = ""
    bytes: int = 0
    fault: str | None = None
    labels: dict[int, int] | None = None

    def size(self, loader: Loader | None = None) -> tuple[int, int]:
        """Height and width as a loader gives them.

        >>> ImageFacts(width=640, height=480, orientation=6).size()
        (640, 480)
        """
        turned = self.orientation >= 5 and (loader or Loader()).turns_format(self.file_format)
        return (self.width, self.height) if turned else (self.height, self.width)


def look_at(
    files: Sequence[Path],
    *,
    labels: bool = False,
    title: str = "images",
    progress: bool = True,
    cache: Path | None = None,
) -> dict[Path, ImageFacts]:
    """The facts of image files, every one of them.

    Args:
        files: the images; some may be missing.
        labels: they are label maps: their values are counted too.
        title: what they are, for the progress bar.
        progress: whether to show one.
        cache: the folder for what is remembered; None is :func:`cache_folder`'s.
    """
    if not files:
        return {}
    store = _Store(files, labels, cache_folder() if cache is None else cache)
    known: dict[Path, ImageFacts] = {}
    wanted: list[tuple[Path, os.stat_result]] = []
    for file in dict.fromkeys(files):
        try:
            stat = file.stat()
        except OSError:
            known[file] = ImageFacts(fault=fault_of(file))
            continue
        remembered = store.get(file, stat)
        if remembered is None:
            wanted.append((file, stat))
        else:
            known[file] = remembered
    shown = progress and len(wanted) >= FEWEST_SHOWN
    with (
        ThreadPoolExecutor(max_workers=min(16, 2 * (os.cpu_count() or 1))) as pool,
        Progress(total=max(1, len(wanted)), title=title, show=shown) as bar,
    ):
        look: Callable[[tuple[Path, os.stat_result]], ImageFacts] = lambda one: facts_of(  # noqa: E731
            one[0], labels=labels
        )
        for (file, stat), facts in zip(wanted, pool.map(look, wanted), strict=True):
            known[file] = facts
            store.put(file, stat, facts)
            bar.step()
    if wanted:
        store.write()
    return {file: known[file] for file in files}


def refuse_faults(files: Sequence[Path]) -> dict[Path, ImageFacts]:
    """The facts of image files that all have to be whole.

    Raises:
        ImageError: names the first that is missing or broken, and tells how many are.
    """
    facts = look_at(files)
    faults = [(file, one.fault) for file, one in facts.items() if one.fault is not None]
    if faults:
        file, fault = faults[0]
        more = f" (and {len(faults) - 1} more of {len(facts)} images)" if len(faults) > 1 else ""
        raise ImageError(f"{file}: {fault}{more}")
    return facts


def facts_of(file: Path, *, labels: bool = False) -> ImageFacts:
    """The facts of one image file; what is wrong with it is one of them."""
    fault = fault_of(file)
    if fault is not None:
        return ImageFacts(fault=fault)
    bands = bands_of(file)
    if bands is not None:
        return ImageFacts(
            width=bands.width,
            height=bands.height,
            mode=f"{bands.samples} bands of {bands.bits} bits",
            bands=bands.samples,
            file_format="TIFF",
            bytes=file.stat().st_size,
        )
    try:
        with opened_image(file) as image:
            values = None
            orientation, (width, height) = image.getexif().get(ORIENTATION, 1), stored_size(image)
            if labels and image.mode in LABEL_MODES:
                found, counts = np.unique(np.asarray(image).astype(np.int64), return_counts=True)
                values = dict(zip(found.tolist(), counts.tolist(), strict=True))
            return ImageFacts(
                width=width,
                height=height,
                mode=image.mode,
                orientation=int(orientation),
                file_format=image.format or "",
                bytes=file.stat().st_size,
                labels=values,
            )
    except ImageError as error:
        return ImageFacts(fault=str(error).removeprefix(f"{file}: "))


def cache_folder() -> Path | None:
    """Where facts are remembered: the environment's choice, else the user's folder for caches.

    Returns:
        None where nothing is to be remembered.
    """
    given = os.environ.get(CACHE_VARIABLE)
    if given is not None:
        return Path(given).expanduser() if given else None
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base, "resblock_backbones")


class _Store:
    """The facts that an earlier look at the same folder left; a damaged store is an empty one."""

    def __init__(self, files: Sequence[Path], labels: bool, folder: Path | None) -> None:
        self.file: Path | None = None
        self.records: dict[str, list[Any]] = {}
        if folder is None:
            return
        shared = os.path.commonpath([str(one.parent.absolute()) for one in files])
        key = hashlib.sha256(f"{VERSION} {labels} {shared}".encode()).hexdigest()[:24]
        self.file = folder / f"images-{key}.json"
        with contextlib.suppress(OSError, ValueError):
            read = json.loads(self.file.read_bytes())
            if isinstance(read, dict):
                self.records = read

    def get(self, file: Path, stat: os.stat_result) -> ImageFacts | None:
        record = self.records.get(str(file.absolute()))
        try:
            size, changed, facts = record  # type: ignore[misc]
            if (size, changed) != (stat.st_size, stat.st_mtime_ns):
                return None
            return ImageFacts(**(facts | {"labels": _with_int_keys(facts.get("labels"))}))
        except (TypeError, ValueError, AttributeError):
            return None

    def put(self, file: Path, stat: os.stat_result, facts: ImageFacts) -> None:
        default = asdict(ImageFacts())
        told = {name: value for name, value in asdict(facts).items() if value != default[name]}
        self.records[str(file.absolute())] = [stat.st_size, stat.st_mtime_ns, told]

    def write(self) -> None:
        if self.file is not None:
            # A disk that is full or read-only costs time, not the check.
            with contextlib.suppress(OSError):
                write_whole(self.file, json.dumps(self.records).encode())


def _with_int_keys(labels: Mapping[str, int] | None) -> dict[int, int] | None:
    return None if labels is None else {int(value): count for value, count in labels.items()}
