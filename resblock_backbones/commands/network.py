"""Which network to export, from what a command line says."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Sequence
from typing import Any

from ..deploy import ExportError
from ..resnet.network import FlexResNet
from ..weights import load_weights
from ..weights.choose import flexible_network


def choose_network(
    config: str | None = None,
    depth: int | None = None,
    weights: str | None = None,
    options: Sequence[str] = (),
) -> tuple[FlexResNet, str]:
    """The network that a config, a depth, or weights alone describe.

    Args:
        config: a config file of the MM family; its backbone is taken.
        depth: as of ``FlexResNet``.
        weights: as ``load_weights`` takes them, a whole detector's too. Without ``config`` and
            ``depth`` the options are read off them.
        options: of the network, each as ``'width=0.5'``.

    Returns:
        The network in eval mode, and in a few words where its weights are from.

    Raises:
        ExportError: nothing, or too much, says which network.
        ValueError, TypeError: a wrong option, config or checkpoint.

    Example:
        >>> net, origin = choose_network(depth=18, options=["width=0.25", "out_indices=(3,)"])
        >>> net.out_channels, origin
        ((128,), 'no weights were given: they are random')
    """
    given = parse_options(options)
    if config is not None:
        if depth is not None:
            raise ExportError(
                "CONFIG and --depth: give one of them; --options depth=... changes it"
            )
        return _of_config(config, weights, given)
    if depth is None and weights is None and "stage_blocks" not in given:
        raise ExportError("which network? give CONFIG, --depth or --weights")
    net, _, notes = flexible_network(depth, weights, given)
    return net, "; ".join(notes) or f"weights from {weights}"


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """``['width=0.5', 'style=caffe']`` as a dict; what is no Python literal is a string.

    >>> parse_options(["width=0.5", "style=caffe", "norm_cfg={'type': 'GN', 'num_groups': 8}"])
    {'width': 0.5, 'style': 'caffe', 'norm_cfg': {'type': 'GN', 'num_groups': 8}}
    """
    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ExportError(f"--options {pair}: write it as name=value")
        try:
            options[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[name] = value
    return options


def _of_config(config: str, weights: str | None, options: dict[str, Any]) -> tuple[FlexResNet, str]:
    missing = [name for name in ("mmengine", "mmcv") if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f"{config}: a config needs {' and '.join(missing)}; "
            "pip install 'resblock_backbones[onedl]', or give --depth and --weights"
        )
    from ..openmmlab.models.flex_backbone_of_config import backbone_of_config

    net = backbone_of_config(config, options, begin=weights is None)
    if weights is not None:
        return net, f"{weights}: {load_weights(net, weights)}"
    if net.init_cfg is not None:
        return net, f"weights as the config's init_cfg says: {net.init_cfg}"
    return net, "no weights were given: they are random"
