"""Initialisation of a network's parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ..options.checks import nearest
from .blocks import BottleneckResBlock, ResBlock
from .checkpoints import checkpoints
from .random_weights import remember_first_values

# MMEngine's, and what ``load_weights`` takes beside the source.
PRETRAINED_KEYS = {
    *("type", "checkpoint", "prefix", "map_location"),
    *("allow_partial", "adapt", "reverse_channels", "bands"),
}


def resolve_init_cfg(pretrained: str | None, init_cfg: Any) -> Any:
    """One way to say how parameters begin, from two."""
    if pretrained is None:
        for cfg in init_cfg if isinstance(init_cfg, list | tuple) else [init_cfg]:
            if cfg is not None and not (isinstance(cfg, Mapping) and "type" in cfg):
                raise TypeError(f"init_cfg={cfg!r}: must be a dict with 'type', or a list of them")
        return init_cfg
    if init_cfg is not None:
        raise ValueError("pretrained and init_cfg say the same; give init_cfg alone")
    if not isinstance(pretrained, str):
        raise TypeError(f"pretrained={pretrained!r}: must be the name or the file of a checkpoint")
    return {"type": "Pretrained", "checkpoint": pretrained}


def init_network(
    network: nn.Module,
    init_cfg: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
    zero_init_residual: bool,
) -> None:
    """Initialise all parameters, then apply MMEngine's ``init_cfg``.

    Raises:
        CheckpointError: a checkpoint cannot be read, or does not match.
        ValueError: ``'Pretrained'`` with a key that it does not have.
    """
    reset_parameters(network, zero_init_residual)
    remember_first_values(network)
    configs: Any = init_cfg if isinstance(init_cfg, list | tuple) else [init_cfg]
    for config in configs:
        if config is None:
            continue
        if config["type"] == "Pretrained":
            load_pretrained(network, config)
        else:
            from mmengine.model import initialize

            initialize(network, config)
    network.is_init = True  # type: ignore[assignment]  # MMEngine: leave the values alone


def load_pretrained(network: nn.Module, config: Mapping[str, Any]) -> None:
    """Load the weights that ``dict(type='Pretrained', checkpoint=...)`` names."""
    for key in config:
        if key not in PRETRAINED_KEYS:
            raise ValueError(
                f"init_cfg: 'Pretrained' has no key '{key}'{nearest(key, PRETRAINED_KEYS)}"
            )
    if "checkpoint" not in config:
        raise ValueError("init_cfg: 'Pretrained' needs a checkpoint")
    checkpoints().load(
        network,
        config["checkpoint"],
        prefix=config.get("prefix"),
        allow_partial=config.get("allow_partial", False),
        adapt=config.get("adapt", ()),
        reverse_channels=config.get("reverse_channels", False),
        bands=config.get("bands"),
    )


def reset_parameters(network: nn.Module, zero_init_residual: bool) -> None:
    """Initialise all parameters by He's method (arXiv 1502.01852).

    Args:
        network: convolutions get normal weights with fan-out variance, norms get weight 1.
        zero_init_residual: the last norm of each block gets weight 0, so that the block starts as
            its shortcut (arXiv 1706.02677).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm):
            _fill(module, 1.0)
    for module in network.modules():
        # Deformable convolutions and MMCV's plugins have an initialisation of their own.
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
    # A frozen norm has buffers, which training would leave at zero.
    if isinstance(getattr(norm, "weight", None), nn.Parameter):
        nn.init.constant_(norm.weight, weight)  # type: ignore[arg-type]
    if isinstance(getattr(norm, "bias", None), nn.Parameter):
        nn.init.zeros_(norm.bias)  # type: ignore[arg-type]
