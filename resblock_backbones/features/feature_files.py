"""Features of one image in one file, `.npz` or `.safetensors`, with shapes and strides."""

from __future__ import annotations

import json
from collections.abc import Mapping
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


def write_features(file: Path, features: Features) -> None:
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
    beside = {
        "strides": features.strides,
        "shapes": features.shapes,
        "image_size": features.image_size,
        "image": features.image,
    }
    if file.suffix == ".safetensors":
        metadata = {name: json.dumps(value) for name, value in beside.items()}
        maps = {name: one.contiguous() for name, one in features.maps.items()}
        write_whole(file, need_safetensors().save(maps, metadata))
        return
    arrays: dict[str, Any] = {name: one.numpy() for name, one in features.maps.items()}
    arrays |= {name: np.array(value) for name, value in beside.items()}
    with whole_file(file) as opened:
        np.savez(opened, **arrays)


def read_features(file: Path) -> Features:
    """Read a file of :func:`write_features`.

    Raises:
        ValueError: the file was not written by it.
    """
    if file.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(file, "pt") as opened:
            told = {name: json.loads(text) for name, text in (opened.metadata() or {}).items()}
            maps = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    else:
        with np.load(file) as opened:  # never runs code: allow_pickle is off
            told = {name: opened[name].tolist() for name in BESIDE if name in opened}
            maps = {name: torch.from_numpy(opened[name]) for name in opened if name not in BESIDE}
    if told.keys() != set(BESIDE):
        raise ValueError(f"{file}: is not a file of features")
    return Features(
        maps=dict(sorted(maps.items())),
        strides=tuple(told["strides"]),
        image=told["image"],
        image_size=(told["image_size"][0], told["image_size"][1]),
    )


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
