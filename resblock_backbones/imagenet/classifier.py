"""A backbone with the classifier of its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..resnet.network import FlexResNet
from ..weights import Backbone, CheckpointError
from ..weights.backbone import open_backbone
from ..weights.network import build_network
from ..weights.reading.sources import Source


class ImageClassifier(nn.Module):
    """``(N, 3, H, W)`` to ``(N, classes)``: last feature map, global average, linear layer.

    Args:
        backbone: the classifier uses its last output.
        fc: the linear layer.

    Example:
        >>> import torch
        >>> net = ImageClassifier(FlexResNet(18, width=0.25), nn.Linear(128, 10)).eval()
        >>> tuple(net(torch.zeros(2, 3, 64, 64)).shape)
        (2, 10)
    """

    def __init__(self, backbone: FlexResNet, fc: nn.Linear) -> None:
        super().__init__()
        self.backbone = backbone
        self.fc = fc

    def forward(self, x: Tensor) -> Tensor:
        x = self.backbone(x)[-1]  # (N, 3, H, W) -> (N, C, H / stride, W / stride)
        x = x.mean((2, 3))  # (N, C)
        return self.fc(x)  # (N, classes)

    @classmethod
    def from_checkpoint(
        cls, source: str | Path | Mapping[str, Any], **options: Any
    ) -> ImageClassifier:
        """Build the classifier of a checkpoint.

        Args:
            source: as in ``FlexResNet.from_checkpoint``.
            options: of ``FlexResNet``.

        Raises:
            CheckpointError: as in ``FlexResNet.from_checkpoint``, or there is no linear layer.
        """
        return build_classifier(*open_backbone(source), options)


def build_classifier(
    opened: Source, backbone: Backbone, options: Mapping[str, Any]
) -> ImageClassifier:
    """Build the classifier of a backbone in a checkpoint.

    Raises:
        CheckpointError: the checkpoint has no linear layer, or one for other channels.
    """
    weight, bias = (backbone.classifier.get(f"fc.{name}") for name in ("weight", "bias"))
    if weight is None:
        raise CheckpointError(
            f"{opened.name}: holds no classifier (fc.weight), only a backbone; give weights that "
            "were trained on ImageNet"
        )
    net = build_network(FlexResNet, opened, backbone, options=options)
    weight = weight.flatten(1)  # some families write it as a 1x1 convolution
    if weight.shape[1] != net.out_channels[-1]:
        raise CheckpointError(
            f"{opened.name}: its classifier expects {weight.shape[1]} channels, the backbone has "
            f"{net.out_channels[-1]}"
        )
    fc = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, dtype=weight.dtype)
    fc.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias}))
    return ImageClassifier(net, fc)
