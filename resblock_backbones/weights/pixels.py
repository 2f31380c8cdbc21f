"""Conversion of an image to the input that weights expect, at the image's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.models import get_model_weights

from .backbone import Backbone
from .reading.timm_source import timm_transform

Three = tuple[float, float, float]
Family = Literal["torchvision", "mmpretrain", "caffe", "resnext-caffe", "clip"]

# Of ImageNet, for values from 0 to 1, RGB.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Of Caffe, for values from 0 to 255, BGR; MSRA's ResNets are not scaled, Detectron's ResNeXt is.
CAFFE_MEAN = (103.53, 116.28, 123.675)
CAFFE_RESNEXT_STD = (57.375, 57.12, 58.395)
# Of CLIP's pixels between 0 and 1, RGB (arXiv 2103.00020).
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Pixels:
    """Mean, standard deviation and order of the channels.

    Attributes:
        mean, std: of values from 0 to 255, in the order of ``order``.
        order: of the channels in the network's input.

    Example:
        >>> grey = Image.new("RGB", (4, 2), (124, 116, 104))
        >>> tuple(IMAGENET(grey).shape), IMAGENET(grey).abs().max() < 0.01
        ((3, 2, 4), tensor(True))
    """

    mean: Three
    std: Three
    order: Literal["RGB", "BGR"] = "RGB"

    def __call__(self, image: Image.Image) -> Tensor:
        """``(3, H, W)``, float32."""
        values = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float()
        if self.order == "BGR":
            values = values.flip(0)
        mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (self.mean, self.std))
        return (values - mean) / std


def _of_255(numbers: tuple[float, ...]) -> Three:
    red, green, blue = (255 * float(number) for number in numbers)
    return red, green, blue


#: Of torchvision's, timm's and MMPretrain's ResNets.
IMAGENET = Pixels(_of_255(MEAN), _of_255(STD))


def pixels_of(name: str, backbone: Backbone) -> Pixels:
    """The normalisation that weights expect, without resizing.

    Args:
        name: of the source; torchvision's and timm's names determine it.
        backbone: in the source; its family determines it for all other sources.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> from resblock_backbones.weights import find_backbone
        >>> state = FlexResNet(18, width=0.25).state_dict()
        >>> pixels_of("mine.pth", find_backbone(state, "mine.pth")) == IMAGENET
        True
    """
    if name.startswith("torchvision://"):
        preset: Any = torchvision_transform(name)
        return Pixels(_of_255(preset.mean), _of_255(preset.std))
    if name.startswith(("timm://", "hf-hub:")) and "transformers" not in backbone.dialect.name:
        steps = timm_transform(name).transforms
        norm = next(step for step in steps if type(step).__name__ == "Normalize")
        return Pixels(_of_255(tuple(norm.mean)), _of_255(tuple(norm.std)))
    family = family_preprocessing(backbone)
    if family == "caffe":
        return Pixels(CAFFE_MEAN, (1.0, 1.0, 1.0), "BGR")
    if family == "resnext-caffe":
        return Pixels(CAFFE_MEAN, CAFFE_RESNEXT_STD, "BGR")
    if family == "clip":
        return Pixels(_of_255(CLIP_MEAN), _of_255(CLIP_STD))
    return IMAGENET


def torchvision_transform(name: str) -> Any:
    """The transform that belongs to a set of torchvision's weights."""
    model, _, tag = name.removeprefix("torchvision://").partition(".")
    return get_model_weights(model)[tag.upper() or "IMAGENET1K_V1"].transforms()


def family_preprocessing(backbone: Backbone) -> Family:
    """What the family does whose names a checkpoint has."""
    if backbone.claims.channel_order == "BGR":
        if backbone.claims.style != "pytorch":
            return "caffe"
        return "resnext-caffe" if backbone.is_grouped else "torchvision"
    own: dict[str, Family] = {"mmpretrain": "mmpretrain", "clip": "clip"}
    return own.get(backbone.dialect.name, "torchvision")
