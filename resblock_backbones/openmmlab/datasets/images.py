"""MMCV's loader of images, for runs that take no half an image for a whole one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.registry import TRANSFORMS
from PIL import Image

from ...data.errors import ImageError
from ...data.images.reading import Loader, image_of, opened_image
from ...data.images.whole import fault_of


@TRANSFORMS.register_module(force=True)
class LoadWholeImageFromFile(LoadImageFromFile):
    """MMCV's `LoadImageFromFile`, which refuses an image that is cut off; same arguments."""

    def transform(self, results: dict) -> dict | None:
        name = str(results["img_path"])
        is_local = "://" not in name and not self.backend_args and not self.file_client_args
        fault = fault_of(Path(name)) if is_local else None
        if fault is not None:
            if self.ignore_empty:
                return None
            raise ImageError(f"{name}: {fault}")
        try:
            return super().transform(results)
        except Exception as error:
            told = _why_not_decoded(Path(name), self.imdecode_backend) if is_local else str(error)
            raise ImageError(f"{name}: cannot be read as an image: {told or error}") from error

    def decoded(self, contents: bytes) -> np.ndarray:
        """What this would load from a file of these contents."""
        flag, backend = self.color_type, self.imdecode_backend
        image = mmcv.imfrombytes(contents, flag=flag, backend=backend)
        return image.astype(np.float32) if self.to_float32 else image

    def of_frame(self, frame: np.ndarray) -> np.ndarray:
        """A frame of a video `(H, W, 3)`, BGR, as this would have loaded it from a file."""
        if self.color_type.startswith("grayscale"):
            frame = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        return frame.astype(np.float32) if self.to_float32 else frame


def loader_of(pipeline: Sequence[Mapping[str, Any]]) -> Loader:
    """How the first step of a config's pipeline decodes images."""
    first: Mapping[str, Any] = pipeline[0] if pipeline else {}
    return Loader(
        color_type=first.get("color_type") or "color",
        backend=first.get("imdecode_backend") or "cv2",
    )


def image_as_loaded(dataset: Any, info: Mapping[str, Any]) -> Image.Image:
    """An image of a built data set as its model sees it, before anything is done to it.

    Args:
        dataset: with a pipeline; where the first step loads no image, MMCV's default does.
        info: what the data set tells of the image.

    Raises:
        ImageError: it cannot be read.
    """
    steps = getattr(getattr(dataset, "pipeline", None), "transforms", [])
    loads = bool(steps) and isinstance(steps[0], LoadImageFromFile)
    load = steps[0] if loads else LoadWholeImageFromFile()
    loaded: Any = load.transform({"img_path": info["img_path"]})
    return image_of(loaded["img"])


def _why_not_decoded(file: Path, backend: str) -> str:
    """What a decoder that gave nothing does not tell."""
    try:
        with opened_image(file) as image:
            if backend == "cv2" and image.mode in ("I", "F"):
                return (
                    f"its samples are of 32 bits ({image.mode}); OpenCV takes 8 and 16, or "
                    "color_type='unchanged' in LoadImageFromFile"
                )
            return f"{backend} decodes no {image.format} image of mode {image.mode}"
    except ImageError:
        if backend != "cv2":
            return ""
        return "OpenCV and Pillow do not know its kind; one to four channels of 8 or 16 bits do"
