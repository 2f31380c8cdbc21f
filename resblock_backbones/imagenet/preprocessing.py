"""What each family does to a picture before it asks its network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torchvision import transforms
from torchvision.models import get_model_weights
from torchvision.transforms import functional as F

from ..options import check_choice
from ..weights import Backbone
from ..weights.timm_source import timm_transform

Transform = Callable[[Any], Tensor]
Preprocessing = Literal["auto", "torchvision", "mmpretrain", "caffe", "resnext-caffe"]

# Of ImageNet's pixels between 0 and 1, RGB.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Caffe's, between 0 and 255, BGR; MSRA's ResNets are not scaled, Detectron's ResNeXt is.
CAFFE_MEAN = (103.53, 116.28, 123.675)
CAFFE_RESNEXT_STD = (57.375, 57.12, 58.395)


def preprocessing_of(name: str, backbone: Backbone, chosen: Preprocessing = "auto") -> Transform:
    """The transform from a picture to ``(3, H, W)`` that weights expect.

    Args:
        name: of the source. ``torchvision://`` and ``timm://`` and ``hf-hub:`` names bring their
            own transform.
        backbone: what was found there; its family decides for all other sources.
        chosen: another than the family's: ``'torchvision'``: shorter side to 256 by PIL, centre
            224, ImageNet's mean and deviation. ``'mmpretrain'``: the same with OpenCV's way of
            resizing. ``'caffe'``: BGR from 0 to 255, minus the mean, as MSRA's ResNets.
            ``'resnext-caffe'``: that over a deviation, as Detectron's ResNeXt.

    Raises:
        ValueError: an unknown ``chosen``.
    """
    choices = ["auto", "torchvision", "mmpretrain", "caffe", "resnext-caffe"]
    if check_choice("preprocess", chosen, choices) == "auto":
        if name.startswith("torchvision://"):
            return torchvision_transform(name)
        if name.startswith(("timm://", "hf-hub:")):
            return timm_transform(name)
        chosen = family_preprocessing(backbone)
    if chosen == "torchvision":
        return transforms.Compose(
            [_resized, transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        )
    if chosen == "mmpretrain":
        return transforms.Compose([_resized_as_opencv, transforms.Normalize(MEAN, STD)])
    deviation = (1.0, 1.0, 1.0) if chosen == "caffe" else CAFFE_RESNEXT_STD
    return transforms.Compose(
        [_resized, transforms.PILToTensor(), _bgr, transforms.Normalize(CAFFE_MEAN, deviation)]
    )


def torchvision_transform(name: str) -> Transform:
    """The transform that belongs to a set of torchvision's weights."""
    model, _, tag = name.removeprefix("torchvision://").partition(".")
    return get_model_weights(model)[tag.upper() or "IMAGENET1K_V1"].transforms()


def family_preprocessing(backbone: Backbone) -> Preprocessing:
    """What the family does whose names a checkpoint has."""
    if backbone.dialect.channel_order == "BGR":
        if backbone.style == "caffe":
            return "caffe"
        return "resnext-caffe" if backbone.is_grouped else "torchvision"
    return "mmpretrain" if backbone.dialect.name == "mmpretrain" else "torchvision"


def _resized(picture: Any) -> Any:
    return F.center_crop(F.resize(picture, 256), [224])


def _resized_as_opencv(picture: Any) -> Tensor:
    """OpenCV's bilinear resizing reads four pixels, however small the picture becomes."""
    pixels = F.pil_to_tensor(picture)
    height, width = pixels.shape[1:]
    scale = 256 / min(height, width)
    size = [int(height * scale + 0.5), int(width * scale + 0.5)]
    resized = F.resize(pixels, size, antialias=False)
    return F.center_crop(resized, [224]).float() / 255


def _bgr(pixels: Tensor) -> Tensor:
    return pixels.flip(0).to(torch.get_default_dtype())
