"""A dilated FlexResNet with torchvision's heads for semantic segmentation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from ...deploy.models.torchvision_kind import SEGMENTATION_MODELS
from ...options.checks import check_int
from ...resnet.interfaces.scripting import traced
from ...resnet.network import FlexResNet
from ...resnet.plan.resolve import tuple_of

#: Dilations of DeepLabV3's three convolutions, in pixels of the image (arXiv 1706.05587,
#: section 4.1: rates 6, 12, 18 at stride 16, twice that at stride 8).
ATROUS_REACH = (96, 192, 288)


class SegmentationModel(nn.Module):
    """A backbone and a head, and for training a second head on the second to last feature map.

    Names of tensors and outputs are those of torchvision's ``DeepLabV3`` and ``FCN``, whose state
    dicts load strictly.

    Args:
        backbone: returns a tuple of feature maps.
        classifier: the head on the last feature map, such as ``DeepLabHead`` or ``FCNHead``.
        aux_classifier: the head on the one before; may be None.

    Shape:
        ``(N, C, H, W)`` to an ``OrderedDict``: ``'out'``, and with an ``aux_classifier`` ``'aux'``,
        each ``(N, classes, H, W)``: scores of each class, before the softmax.

    Example:
        >>> import torch
        >>> model = fcn(FlexResNet(18, width=0.25, output_stride=8), 4, aux_loss=True).eval()
        >>> [(name, tuple(out.shape)) for name, out in model(torch.zeros(1, 3, 65, 64)).items()]
        [('out', (1, 4, 65, 64)), ('aux', (1, 4, 65, 64))]
    """

    def __init__(
        self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    @traced
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        # (N, in_channels, H, W) -> (N, C_i, H / stride_i, W / stride_i) for each output i
        maps = self.backbone(x)
        # -> (N, classes, H / stride_i, W / stride_i)
        outputs = OrderedDict()
        outputs["out"] = self.classifier(maps[-1])
        if self.aux_classifier is not None:
            outputs["aux"] = self.aux_classifier(maps[-2])
        for name, scores in outputs.items():  # -> (N, classes, H, W)
            outputs[name] = F.interpolate(
                scores, size=x.shape[-2:], mode="bilinear", align_corners=False
            )
        return outputs


SEGMENTATION_MODELS.append(SegmentationModel)


def deeplabv3(
    backbone: FlexResNet,
    num_classes: int,
    *,
    aux_loss: bool = False,
    atrous_rates: int | Sequence[int] | None = None,
) -> SegmentationModel:
    """DeepLabV3 (arXiv 1706.05587) with torchvision's head.

    ``FlexResNet(50, output_stride=8, contract_dilation=True)`` is the backbone of torchvision's
    ``deeplabv3_resnet50``.

    Args:
        backbone: at stride 8 or 16 (``output_stride``).
        num_classes: with the background.
        aux_loss: whether to have the second head.
        atrous_rates: dilations in the head, or one; None is the paper's for the backbone's stride:
            (12, 24, 36) at 8, as in torchvision, (6, 12, 18) at 16.

    Raises:
        ValueError: ``aux_loss`` with a backbone that has one output.
        TypeError: ``backbone`` is not a ``FlexResNet``.

    Example:
        >>> model = deeplabv3(FlexResNet(18, width=0.25, output_stride=16), num_classes=4)
        >>> [conv[0].dilation[0] for conv in model.classifier[0].convs[1:4]]
        [6, 12, 18]
    """
    _check(backbone, num_classes, aux_loss)
    if atrous_rates is None:
        atrous_rates = [reach // backbone.out_strides[-1] for reach in ATROUS_REACH]
    rates = tuple_of(atrous_rates)
    for rate in rates:
        check_int("atrous_rates", rate)
    head = DeepLabHead(backbone.out_channels[-1], num_classes, rates)
    return SegmentationModel(backbone, head, _aux_head(backbone, num_classes, aux_loss))


def fcn(backbone: FlexResNet, num_classes: int, *, aux_loss: bool = False) -> SegmentationModel:
    """A fully convolutional network (arXiv 1411.4038) with torchvision's head.

    Args and raises as :func:`deeplabv3`.

    Example:
        >>> fcn(FlexResNet(18, width=0.25, output_stride=8), 4).classifier[0].in_channels
        128
    """
    _check(backbone, num_classes, aux_loss)
    head = FCNHead(backbone.out_channels[-1], num_classes)
    return SegmentationModel(backbone, head, _aux_head(backbone, num_classes, aux_loss))


def _aux_head(backbone: FlexResNet, num_classes: int, wanted: bool) -> nn.Module | None:
    return FCNHead(backbone.out_channels[-2], num_classes) if wanted else None


def _check(backbone: FlexResNet, num_classes: int, aux_loss: bool) -> None:
    if not isinstance(backbone, FlexResNet):
        raise TypeError(f"backbone: {type(backbone).__name__} is not a FlexResNet")
    check_int("num_classes", num_classes)
    if aux_loss and len(backbone.out_channels) < 2:
        raise ValueError(
            f"aux_loss=True: needs two feature maps; out_indices={backbone.out_indices} selects one"
        )
