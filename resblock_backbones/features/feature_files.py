"""Features of one image, or of its boxes, in one file, `.npz` or `.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..files.whole import whole_file, write_whole

Format = Literal["npz", "safetensors"]


@dataclass(frozen=True)
class Features:
    """Multi-scale features of one image.

    Attributes:
        maps: feature maps by name (``layer1``, ...), each ``(C, H, W)``.
        strides: of each feature map, in the same order.
        image: path of the image.
        image_size: height and width of the network's input, in pixels.
    """

    maps: Mapping[str, Tensor]
    strides: tuple[int, ...]
    image: str
    image_size: tuple[int, int]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each feature map."""
        return tuple(tuple(one.shape) for one in self.maps.values())


@dataclass(frozen=True)
class BoxFeatures:
    """A feature vector for each box of one image.

    Attributes:
        vectors: ``(N, C)``.
        boxes: ``(N, 4)``, x1 y1 x2 y2, in pixels of the image.
        category_ids: ``(N,)``, of the file of boxes; -1 where it has none.
        ids: ``(N,)``, of its annotations.
        strides: ``(N,)``, of the feature map that each vector is of.
        image: path of the image.
        image_size: height and width of the network's input, in pixels.
    """

    vectors: Tensor
    boxes: Tensor
    category_ids: Tensor
    ids: Tensor
    strides: Tensor
    image: str
    image_size: tuple[int, int]


def write_features(file: Path, features: Features | BoxFeatures) -> None:
    """Write a file in the format of its suffix.

    In ``.npz`` every feature map is an array under its name, beside ``strides`` (K), ``shapes``
    (K, 3), ``image_size`` (2) and ``image``. In ``.safetensors`` every feature map is a tensor, and
    the rest is JSON in the metadata.

    Raises:
        ImportError: safetensors is not installed.

    Example:
        >>> import tempfile
        >>> maps = {"layer1": torch.ones(8, 2, 3)}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "cat.npz")
        ...     write_features(file, Features(maps, (4,), "cat.jpg", (8, 12)))
        ...     read = read_features(file)
        >>> read.shapes, read.strides, read.image, read.image_size
        (((8, 2, 3),), (4,), 'cat.jpg', (8, 12))
    """
    if isinstance(features, BoxFeatures):
        tensors = {name: getattr(features, name) for name in OF_BOXES}
        beside: dict[str, Any] = {}
    else:
        tensors = dict(features.maps)
        beside = {"strides": features.strides, "shapes": features.shapes}
    beside |= {"image_size": features.image_size, "image": features.image}
    if file.suffix == ".safetensors":
        metadata = {name: json.dumps(value) for name, value in beside.items()}
        maps = {name: one.contiguous() for name, one in tensors.items()}
        write_whole(file, need_safetensors().save(maps, metadata))
        return
    arrays: dict[str, Any] = {name: one.numpy() for name, one in tensors.items()}
    arrays |= {name: np.array(value) for name, value in beside.items()}
    with whole_file(file) as opened:
        np.savez(opened, **arrays)


def read_features(file: Path) -> Features:
    """Read a file of :func:`write_features`.

    Raises:
        ValueError: the file was not written by it.
    """
    maps, told = _read(file, BESIDE)
    if told.keys() != set(BESIDE):
        raise ValueError(f"{file}: is not a file of features")
    return Features(
        maps=dict(sorted(maps.items())),
        strides=tuple(told["strides"]),
        image=told["image"],
        image_size=(told["image_size"][0], told["image_size"][1]),
    )


def read_box_features(file: Path) -> BoxFeatures:
    """Read a file that :func:`write_features` has written of boxes.

    Raises:
        ValueError: the file was not written by it.
    """
    tensors, told = _read(file, ("image_size", "image"))
    if told.keys() != {"image_size", "image"} or tensors.keys() != set(OF_BOXES):
        raise ValueError(f"{file}: is not a file of features of boxes")
    height, width = told["image_size"]
    return BoxFeatures(**tensors, image=told["image"], image_size=(height, width))


def _read(file: Path, beside: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and what stands beside them."""
    if file.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(file, "pt") as opened:
            told = {name: json.loads(text) for name, text in (opened.metadata() or {}).items()}
            maps = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    else:
        with np.load(file) as opened:  # never runs code: allow_pickle is off
            told = {name: opened[name].tolist() for name in beside if name in opened}
            maps = {name: torch.from_numpy(opened[name]) for name in opened if name not in beside}
    return maps, told


def need_safetensors() -> Any:
    """The module ``safetensors.torch``.

    Raises:
        ImportError: safetensors is not installed; the message says how to install it.
    """
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError(
            "--format safetensors: safetensors is not installed; pip install safetensors, or "
            "--format npz"
        ) from error
    return safetensors.torch


BESIDE = ("strides", "shapes", "image_size", "image")
#: Tensors of a file of boxes.
OF_BOXES = ("vectors", "boxes", "category_ids", "ids", "strides")
