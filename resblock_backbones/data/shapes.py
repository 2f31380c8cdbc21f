"""The files of the ``shapes`` data set.

::

    <out>/train/000001.png                images, RGB
    <out>/val/000001.png
    <out>/annotations/instances_train.json    COCO: boxes and masks of what is visible
    <out>/annotations/instances_val.json
    <out>/labels/train/000001.png         semantic label maps: 0 background, 1 to 5 the classes
    <out>/labels/val/000001.png
    <out>/info.json                       the settings; written last

A label map has a palette, so that image viewers show colours. Read it with Pillow (MMSegmentation's
default; ``imdecode_backend='pillow'`` in MMDetection), since OpenCV converts indices to colours.
"""

import json
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..console.progress import Progress
from . import coco
from .shapes_drawing import FORMS, Scene, draw_image

#: Names of the objects, in the order of their labels.
CLASSES: tuple[str, ...] = tuple(FORMS)
#: RGB, one colour a class; for drawings and label maps, never the colour of the object itself.
PALETTE: tuple[tuple[int, int, int], ...] = (
    (230, 75, 53),
    (0, 150, 220),
    (245, 176, 30),
    (130, 80, 190),
    (30, 165, 110),
)
#: Names of the label maps' values, in order.
SEMANTIC_CLASSES: tuple[str, ...] = ("background", *CLASSES)
#: RGB, one colour for each value of the label maps.
SEMANTIC_PALETTE: tuple[tuple[int, int, int], ...] = ((40, 40, 40), *PALETTE)

INFO_FILE = "info.json"
#: Raised whenever the same settings would give other images or other files.
VERSION = 1
SMALLEST_SIZE = 64


@dataclass(frozen=True)
class ShapesInfo:
    """The settings of a data set; the same settings give the same bytes.

    Attributes:
        train: number of training images.
        val: number of validation images.
        size: side of the square images, in pixels.
        seed: what the images are drawn from. More images of a seed begin with the same ones.
        classes: names in the order of the category ids, which count from 1.
        version: of the generator.
    """

    train: int = 400
    val: int = 100
    size: int = 160
    seed: int = 0
    classes: tuple[str, ...] = CLASSES
    version: int = VERSION

    def __post_init__(self) -> None:
        for name, least in (("train", 1), ("val", 1), ("size", SMALLEST_SIZE), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name}={value!r}: has to be a whole number")
            if value < least:
                raise ValueError(f"{name}={value}: has to be at least {least}")

    def __str__(self) -> str:
        return (
            f"{self.train} train and {self.val} val images of {self.size}x{self.size}, "
            f"seed {self.seed}, generator version {self.version}"
        )

    def files(self) -> Iterator[str]:
        """All files of the data set, relative to its folder."""
        yield INFO_FILE
        for split, count in (("train", self.train), ("val", self.val)):
            yield f"annotations/instances_{split}.json"
            for number in range(1, count + 1):
                yield f"{split}/{_file_name(number)}"
                yield f"labels/{split}/{_file_name(number)}"


def make_shapes(
    out: str | Path,
    *,
    train: int = 400,
    val: int = 100,
    size: int = 160,
    seed: int = 0,
    force: bool = False,
    progress: bool = True,
) -> bool:
    """Generate the data set in a folder, completely or not at all.

    Args:
        out: the folder. It may be missing, or empty, or hold the same data set already.
        train: number of training images.
        val: number of validation images.
        size: side of the square images, in pixels. Objects grow with it.
        seed: what the images are drawn from.
        force: replace a data set that was made here with other settings.
        progress: show progress on stderr.

    Returns:
        Whether it was generated; False if the folder already has this data set.

    Raises:
        TypeError: a number is not an integer.
        ValueError: a number is too small, or ``out`` holds anything else. Files that this
            function did not make are never deleted, with ``force`` neither.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "shapes"
        >>> make_shapes(folder, train=2, val=1, size=64, progress=False)
        True
        >>> make_shapes(folder, train=2, val=1, size=64, progress=False)
        False
        >>> sorted(path.name for path in folder.iterdir())
        ['annotations', 'info.json', 'labels', 'train', 'val']
    """
    wanted = ShapesInfo(train=train, val=val, size=size, seed=seed)
    # Resolve links, since a rename is atomic only within a file system.
    folder = Path(out).expanduser().resolve()
    if _is_made(folder, wanted, force=force):
        return False

    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    made.mkdir()
    try:
        _write_all(made, wanted, progress=progress)
        # Checked again: another process may have written there meanwhile.
        if _is_made(folder, wanted, force=force):
            return False
        _put_in_place(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return True


def read_info(folder: Path) -> ShapesInfo | None:
    """The settings of the data set in a folder; None if there is no complete one."""
    try:
        found = json.loads((folder / INFO_FILE).read_text(encoding="utf-8"))
        if found.pop("name") != "shapes":
            return None
        found["classes"] = tuple(found["classes"])
        return ShapesInfo(**found)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # an info.json of something else


def _is_made(folder: Path, wanted: ShapesInfo, *, force: bool) -> bool:
    """Whether ``folder`` has the wanted data set; False if it may be generated there."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: is a file; give a folder for the data set")
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    found = read_info(folder)
    if found is None:
        raise ValueError(
            f"{folder}: is not empty and holds no complete shapes data set; "
            "give another folder, or move its content away"
        )
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    expected = set(found.files())
    if found == wanted and expected <= present:
        return True
    if not force:
        reason = "files of it are missing" if found == wanted else f"it holds {found}"
        raise ValueError(f"{folder}: {reason}; --force (force=True) makes it again")
    foreign = sorted(present - expected)
    if foreign:
        raise ValueError(
            f"{folder}: holds files that are not of the data set, such as {foreign[0]}; "
            "move them away before it is replaced"
        )
    return False


def _put_in_place(made: Path, folder: Path) -> None:
    """Rename ``made`` to ``folder``, where there is nothing or a data set to be replaced."""
    if not folder.exists():
        made.rename(folder)
        return
    replaced = made.with_name(made.name + ".old")
    folder.rename(replaced)
    try:
        made.rename(folder)
    except BaseException:
        replaced.rename(folder)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _write_all(folder: Path, info: ShapesInfo, *, progress: bool) -> None:
    (folder / "annotations").mkdir()
    with Progress(total=info.train + info.val, title="images", show=progress) as shown:
        for split, count in (("train", info.train), ("val", info.val)):
            _write_split(folder, split, count, info, shown)
    _write_json(folder / INFO_FILE, {"name": "shapes", **asdict(info)}, indent=2)


def _write_split(folder: Path, split: str, count: int, info: ShapesInfo, shown: Progress) -> None:
    (folder / split).mkdir()
    (folder / "labels" / split).mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        # A separate random stream for each image, so that images do not depend on their number.
        stream = [info.seed, ("train", "val").index(split), number]
        image = draw_image(np.random.default_rng(stream), info.size)
        name = _file_name(number)
        # Noise hardly compresses: more effort costs time and saves no space.
        Image.fromarray(image.pixels).save(folder / split / name, compress_level=1)
        _label_map(image).save(folder / "labels" / split / name)
        images.append(
            {"id": number, "file_name": name, "width": info.size, "height": info.size, "license": 1}
        )
        for index, label in enumerate(image.labels):
            annotations.append(
                coco.annotation(
                    image.owner == index,
                    annotation_id=len(annotations) + 1,
                    image_id=number,
                    category_id=label + 1,
                )
            )
        shown.step()
    _write_json(
        folder / "annotations" / f"instances_{split}.json",
        coco.document(
            description=f"shapes, {split}: {info}",
            classes=CLASSES,
            images=images,
            annotations=annotations,
        ),
    )


def _label_map(scene: Scene) -> Image.Image:
    """The class of each pixel as an indexed image, 0 for the background."""
    # The index -1 of the background takes the last entry.
    values = np.array([label + 1 for label in scene.labels] + [0], dtype=np.uint8)
    image = Image.fromarray(values[scene.owner])
    image.putpalette([level for colour in SEMANTIC_PALETTE for level in colour])
    return image


def _file_name(number: int) -> str:
    return f"{number:06d}.png"


def _write_json(path: Path, content: dict[str, Any], *, indent: int | None = None) -> None:
    separators = (",", ":") if indent is None else None
    text = json.dumps(content, indent=indent, separators=separators)
    path.write_text(text + "\n", encoding="utf-8")
