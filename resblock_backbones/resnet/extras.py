"""Optional modules between a block's convolutions: plugins, attention, anti-aliasing."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..layers import build_attention
from ..layers.registry import LayerCfg, parse_cfg
from ..options.checks import check_choice

Plugin = Mapping[str, Any]


def add_extras(
    block: nn.Module,
    *,
    channels: Mapping[str, int],
    blur: tuple[str, nn.Module] | None,
    attention: LayerCfg | None,
    plugins: Sequence[Plugin],
) -> dict[str, tuple[str, ...]]:
    """Add the modules to ``block``, and return their names by position.

    Args:
        block: gets ``aa`` (blur), ``se`` (attention) and MMCV's names for plugins.
        channels: of each position, in the order of the forward pass; attention takes the last.
        blur: position and module.
        attention: ``'SE'``, ``'ECA'``, dict or class.
        plugins: ``dict(cfg=dict(type=...), position=...)``.

    Raises:
        ValueError: the block does not have a position, or two plugins have the same name.
    """
    names: dict[str, list[str]] = {position: [] for position in channels}

    def add(position: str, name: str, module: nn.Module) -> None:
        if name in dict(block.named_children()):
            raise ValueError(f"plugins: two are called '{name}'; give one a postfix")
        block.add_module(name, module)
        names[position].append(name)

    if blur is not None:
        add(blur[0], "aa", blur[1])
    for plugin in plugins:
        position = plugin.get("position")
        check_choice("plugins: position", position, list(channels))
        add(str(position), *_build_plugin(plugin, channels[str(position)]))
    if attention is not None:
        position, planes = list(channels.items())[-1]
        add(position, "se", build_attention(attention, planes))
    return {position: tuple(found) for position, found in names.items() if found}


def run_extras(block: Any, position: str, x: Tensor) -> Tensor:
    """Apply the modules of ``block`` at ``position``."""
    for name in block.extras.get(position, ()):
        x = getattr(block, name)(x)
    return x


def _build_plugin(plugin: Plugin, channels: int) -> tuple[str, nn.Module]:
    if "cfg" not in plugin:
        raise ValueError(f"plugins: {dict(plugin)} has no 'cfg'")
    if importlib.util.find_spec("mmcv") is None:
        raise ValueError("plugins: their layers are MMCV's, which is not installed")
    from mmcv.cnn import build_plugin_layer

    cfg = dict(plugin["cfg"])
    parse_cfg("plugins", cfg, {})  # refuses an unknown name
    postfix = cfg.pop("postfix", plugin.get("postfix", ""))
    try:
        return build_plugin_layer(cfg, in_channels=channels, postfix=postfix)
    except (KeyError, TypeError, AssertionError) as error:
        raise ValueError(f"plugins: {cfg.get('type')} cannot be built: {error}") from error
