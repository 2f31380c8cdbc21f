"""Names by which code written for other libraries' ResNets reads a network; all are read-only."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..parameter_groups import depth_of_parameter, number_of_depths
from ..plan import NetworkPlan


class FamiliarNetwork:
    """MMDetection's ``res_layers``, ``feat_dim``, ``norm1``, torchvision's ``inplanes`` and more.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> net = FlexResNet(50, width=0.5)
        >>> net.res_layers, net.num_stages, net.feat_dim, net.norm1 is net.bn1
        (['layer1', 'layer2', 'layer3', 'layer4'], 4, 1024, True)
    """

    plan: NetworkPlan

    @property
    def num_stages(self) -> int:
        """Number of stages."""
        return len(self.plan.stages)

    @property
    def res_layers(self) -> list[str]:
        """Names of the stages."""
        return [f"layer{number}" for number in range(1, self.num_stages + 1)]

    @property
    def feat_dim(self) -> int:
        """Channels of the last stage."""
        return self.plan.stages[-1].outplanes

    @property
    def inplanes(self) -> int:
        """Channels of the last stage: what the next one would take."""
        return self.feat_dim

    @property
    def norm1(self) -> nn.Module:
        """The stem's norm, where it has one convolution."""
        return self.bn1  # type: ignore[attr-defined]

    def _freeze_stages(self) -> None:
        """MMDetection's; what ``train`` does anyway."""
        self.train(self.training)  # type: ignore[attr-defined]

    def get_layer_depth(self, param_name: str, prefix: str = "") -> tuple[int, int]:
        """The depth of a parameter, and how many there are; MMPretrain's interface.

        Args:
            param_name: with the prefix.
            prefix: of the network's parameters, such as ``'backbone.'``.

        Example:
            >>> from resblock_backbones import FlexResNet
            >>> net = FlexResNet(18)
            >>> net.get_layer_depth("backbone.layer1.0.conv1.weight", "backbone.")
            (1, 10)
            >>> net.get_layer_depth("head.fc.weight", "backbone.")
            (9, 10)
        """
        count = number_of_depths(self.plan)
        if not param_name.startswith(prefix):
            return count - 1, count
        return depth_of_parameter(param_name[len(prefix) :], self.plan), count


class FamiliarBlock:
    """The names of a block's parts in MMDetection and torchvision.

    Example:
        >>> from resblock_backbones import ResBlock
        >>> block = ResBlock(64, 64, residual="identity")
        >>> block.relu, block.norm1 is block.bn1, block.downsample
        (ReLU(inplace=True), True, None)
    """

    residual: nn.Module | None

    @property
    def norm1(self) -> Any:
        """The norm of ``conv1``."""
        return self.bn1  # type: ignore[attr-defined]

    @property
    def norm2(self) -> Any:
        """The norm of ``conv2``."""
        return self.bn2  # type: ignore[attr-defined]

    @property
    def norm3(self) -> Any:
        """The norm of ``conv3``, in a bottleneck."""
        return self.bn3  # type: ignore[attr-defined]

    @property
    def relu(self) -> Any:
        """The activation."""
        return self.relu_inplace  # type: ignore[attr-defined]

    @property
    def downsample(self) -> nn.Module | None:
        """The shortcut's layers, None where it is the input itself."""
        return None if isinstance(self.residual, nn.Identity) else self.residual
