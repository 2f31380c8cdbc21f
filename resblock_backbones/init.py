"""First values of a network's parameters."""

from __future__ import annotations

from torch import nn

from .blocks import BottleneckResBlock, ResBlock


def reset_parameters(network: nn.Module, zero_init_residual: bool) -> None:
    """Give every parameter its first value (He et al., arXiv 1502.01852).

    Args:
        network: convolutions become normal with the variance that keeps gradients' size, norms 1.
        zero_init_residual: the last norm of each block starts at 0, so that a block begins as its
            shortcut (arXiv 1706.02677).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm):
            _fill(module, 1.0)
    for module in network.modules():
        # Deformable convolutions and MMCV's plugins know better how they begin.
        own = getattr(module, "init_weights", None)
        if module is not network and callable(own):
            own()
    if zero_init_residual:
        for module in network.modules():
            if isinstance(module, BottleneckResBlock):
                _fill(module.bn3, 0.0)
            elif isinstance(module, ResBlock):
                _fill(module.bn2, 0.0)


def _fill(norm: nn.Module, weight: float) -> None:
    # A frozen norm holds buffers: a zero in it could never be unlearned.
    if isinstance(getattr(norm, "weight", None), nn.Parameter):
        nn.init.constant_(norm.weight, weight)  # type: ignore[arg-type]
    if isinstance(getattr(norm, "bias", None), nn.Parameter):
        nn.init.zeros_(norm.bias)  # type: ignore[arg-type]
