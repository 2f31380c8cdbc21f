"""The preprocessing that each family of weights expects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import functional as F

from ..options.checks import check_choice
from ..weights import Backbone
from ..weights.pixels import (
    CAFFE_MEAN,
    CAFFE_RESNEXT_STD,
    CLIP_MEAN,
    CLIP_STD,
    MEAN,
    STD,
    family_preprocessing,
    torchvision_transform,
)
from ..weights.reading.timm_source import timm_transform

Transform = Callable[[Any], Tensor]
Preprocessing = Literal["auto", "torchvision", "mmpretrain", "caffe", "resnext-caffe", "clip"]


def preprocessing_of(name: str, backbone: Backbone, chosen: Preprocessing = "auto") -> Transform:
    """The transform from an image to ``(3, H, W)`` that weights expect.

    Args:
        name: of the source. The names ``torchvision://``, ``timm://`` and ``hf-hub:`` come with a
            transform.
        backbone: the backbone in the source; its family decides for all other sources.
        chosen: ``'auto'``, or a preprocessing by name. ``'torchvision'``: shorter side resized to
            256 by PIL, 224 x 224 centre crop, ImageNet's mean and standard deviation.
            ``'mmpretrain'``: the same, resized as OpenCV does. ``'caffe'``: BGR from 0 to 255,
            minus the mean, as MSRA's ResNets. ``'resnext-caffe'``: that divided by the standard
            deviation, as Detectron's ResNeXt.

    Raises:
        ValueError: an unknown ``chosen``.
    """
    choices = ["auto", "torchvision", "mmpretrain", "caffe", "resnext-caffe", "clip"]
    if check_choice("preprocess", chosen, choices) == "auto":
        if name.startswith("torchvision://"):
            return torchvision_transform(name)
        if name.startswith(("timm://", "hf-hub:")):
            return timm_transform(name)
        chosen = family_preprocessing(backbone)
    if chosen in ("torchvision", "clip"):
        mean, std = (CLIP_MEAN, CLIP_STD) if chosen == "clip" else (MEAN, STD)
        return transforms.Compose(
            [_resized, transforms.ToTensor(), transforms.Normalize(mean, std)]
        )
    if chosen == "mmpretrain":
        return transforms.Compose([_resized_as_opencv, transforms.Normalize(MEAN, STD)])
    deviation = (1.0, 1.0, 1.0) if chosen == "caffe" else CAFFE_RESNEXT_STD
    return transforms.Compose(
        [_resized, transforms.PILToTensor(), _bgr, transforms.Normalize(CAFFE_MEAN, deviation)]
    )


def _resized(image: Any) -> Any:
    return F.center_crop(F.resize(image, 256), [224])


def _resized_as_opencv(image: Any) -> Tensor:
    """Bilinear without anti-aliasing: OpenCV reads four pixels, however small the result is."""
    pixels = F.pil_to_tensor(image)
    height, width = pixels.shape[1:]
    scale = 256 / min(height, width)
    size = [int(height * scale + 0.5), int(width * scale + 0.5)]
    resized = F.resize(pixels, size, antialias=False)
    return F.center_crop(resized, [224]).float() / 255


def _bgr(pixels: Tensor) -> Tensor:
    return pixels.flip(0).to(torch.get_default_dtype())
