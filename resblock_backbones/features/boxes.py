"""The boxes of images, and a feature vector for each of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import roi_align

from ..data.annotations.json_files import read_json
from ..data.errors import DatasetError
from ..data.image_files import ImageFile
from ..data.image_numbers import ImageNumbers

#: Cells of a box, along each side, whose mean its vector is.
CELLS = 7
#: In strides of the finest feature map: up to twice this side a box is pooled from that map.
FINEST = 14


@dataclass(frozen=True)
class Boxes:
    """The boxes of one image.

    Attributes:
        boxes: ``(N, 4)``, x1 y1 x2 y2, in pixels of the image.
        category_ids: ``(N,)``, -1 where the file has none.
        ids: ``(N,)`` of the annotations; their places in the file where it has none.
        size: width and height of the image; None where the file has none.
    """

    boxes: Tensor
    category_ids: Tensor
    ids: Tensor
    size: tuple[int, int] | None

    def fault(self, size: tuple[int, int]) -> str | None:
        """Why these cannot be boxes of an image of this width and height."""
        if self.size is not None and self.size != size:
            return (
                f"its boxes are of an image of {self.size[0]}x{self.size[1]} pixels, and it has "
                f"{size[0]}x{size[1]}"
            )
        beyond = (self.boxes[:, 2:] <= 0) | (self.boxes[:, :2] >= torch.tensor(size))
        if beyond.any():
            number = int(self.ids[beyond.any(1)][0])
            return f"its box with id {number} lies outside of the {size[0]}x{size[1]} pixels"
        return None


def read_boxes(file: Path, images: Sequence[ImageFile]) -> dict[ImageFile, Boxes]:
    """The boxes of images, from COCO's JSON: annotations, or `predictions.json`.

    Args:
        file: with `images` and `annotations`.
        images: they are found by their path, else by their name.

    Returns:
        The boxes of each image that the file names, also where it has none.

    Raises:
        DatasetError: it is not such a file, a box is invalid, or it names none of the images.
    """
    content = read_json(file)
    try:
        named = {one["id"]: (str(one["file_name"]), _size(one)) for one in content["images"]}
        rows = [(one["image_id"], place, one) for place, one in enumerate(content["annotations"])]
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f"{file}: has no boxes of images: must be COCO's JSON with 'images' (id, file_name) "
            "and 'annotations' (image_id, bbox)"
        ) from error
    by_image: dict[Any, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    for image, place, one in rows:
        by_image[image].append((place, one))
    numbers = ImageNumbers({n: {"img_path": one.path} for n, one in enumerate(images)})
    found = {}
    for image, (name, size) in named.items():
        number = numbers.of_file(name)
        if number is not None:
            found[images[number]] = _boxes(file, by_image[image], size)
    if not found:
        first = next(iter(named.values()), ("nothing", None))[0]
        raise DatasetError(f"{file}: is about other images ({first}), not {images[0].path}")
    return found


def vectors_of(
    maps: Mapping[str, Tensor], strides: Sequence[int], boxes: Tensor
) -> tuple[Tensor, Tensor]:
    """A feature vector for each box of an image: the mean of RoIAlign's 7 x 7 cells.

    Feature maps of a pyramid have equal channels: each box is pooled from the map that its size
    asks for (Lin et al., Feature Pyramid Networks, eq. 1). Of others the last one is taken.

    Args:
        maps: each ``(C, H, W)``.
        strides: of each.
        boxes: ``(N, 4)``, x1 y1 x2 y2, in pixels of the network's input.

    Returns:
        The vectors ``(N, C)``, and the stride of the map of each, ``(N,)``.

    Example:
        >>> one = torch.arange(4.0).repeat(1, 4, 1)  # (1, 4, 4): a ramp from left to right
        >>> vectors_of({"layer1": one}, (8,), torch.tensor([[0.0, 0.0, 32.0, 32.0]]))
        (tensor([[1.5000]]), tensor([8]))
    """
    chosen = list(maps.values())
    if len({len(one) for one in chosen}) > 1:
        chosen, strides = chosen[-1:], strides[-1:]
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    levels = torch.floor(torch.log2(sides / (FINEST * strides[0]) + 1e-6))
    levels = levels.clamp(0, len(chosen) - 1).long()
    vectors = chosen[0].new_zeros(len(boxes), len(chosen[0]))
    for level, (one, stride) in enumerate(zip(chosen, strides, strict=True)):
        own = levels == level
        regions = [boxes[own].to(one)]
        cells = roi_align(one[None], regions, CELLS, 1 / stride, aligned=True)  # (n, C, 7, 7)
        vectors[own.to(one.device)] = cells.mean((2, 3))
    return vectors, torch.tensor(strides)[levels]


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    sides = (image.get("width"), image.get("height"))
    width, height = sides
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def _boxes(
    file: Path, rows: Sequence[tuple[int, Mapping[str, Any]]], size: tuple[int, int] | None
) -> Boxes:
    corners = [_corners(file, place, one.get("bbox")) for place, one in rows]
    return Boxes(
        torch.tensor(corners).reshape(-1, 4),
        torch.tensor([_number(one.get("category_id"), -1) for _, one in rows], dtype=torch.long),
        torch.tensor([_number(one.get("id"), place) for place, one in rows], dtype=torch.long),
        size,
    )


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default


def _corners(file: Path, place: int, box: Any) -> list[float]:
    try:
        x, y, width, height = map(float, box)
    except (TypeError, ValueError):
        width = height = float("nan")
    if not (width > 0 and height > 0 and abs(x + y + width + height) < float("inf")):
        raise DatasetError(
            f"{file}: annotations[{place}]: bbox {box!r}: must be x, y, width, height in pixels, "
            "with a width and height above 0"
        )
    return [x, y, x + width, y + height]
