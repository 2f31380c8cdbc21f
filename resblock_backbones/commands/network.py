"""The network that a command line describes."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from ..files.shipped_configs import find_config
from ..options.errors import InputError
from ..options.typed_values import parse_pairs
from ..weights.choose import ChosenNetwork, flexible_network
from .arguments import require_mm_packages


def choose_network(
    config: str | None = None,
    depth: int | None = None,
    weights: str | None = None,
    options: Sequence[str] = (),
    *,
    cfg_options: Sequence[str] = (),
    any_backbone: bool = False,
    prefix: str | None = None,
    bands: Sequence[int | None] | None = None,
    with_neck: bool = False,
) -> ChosenNetwork:
    """The backbone that a config, a depth, or weights alone describe.

    Args:
        config: a config file of the MM family, or the name of one that comes with the package;
            its backbone is taken.
        depth: as in ``FlexResNet``.
        weights: as ``load_weights`` takes them, a whole detector's too. Without ``config`` and
            ``depth`` the options are inferred from them.
        options: of the backbone, each as ``'width=0.5'``.
        cfg_options: of the config, each as ``'model.backbone.width=0.5'``.
        any_backbone: whether the config's backbone may be of another class than ``FlexResNet``.
        prefix: of the backbone's names in the weights; None detects it.
        bands: for each input channel of the network, the number that it has in the weights; the
            network gets as many channels.
        with_neck: take the config's backbone and the neck behind it, whatever types they are.

    Raises:
        InputError: no network, or more than one, is described; or as in ``network_of_config``.
        ValueError, TypeError: a wrong option.

    Example:
        >>> chosen = choose_network(depth=18, options=["width=0.25", "out_indices=(3,)"])
        >>> chosen.network.out_channels, chosen.origin
        ((128,), 'no weights were given: they are random')
    """
    given = parse_pairs("--options", options)
    for name, value in (("--prefix", prefix), ("--bands", bands)):
        if value is not None and weights is None:
            raise InputError(f"{name}: there are no weights; give a checkpoint")
    if config is None:
        if cfg_options:
            raise InputError("--cfg-options: there is no config to change; give CONFIG")
        if depth is None and weights is None and "stage_blocks" not in given:
            raise InputError("no network: give CONFIG, --depth or --weights")
        return flexible_network(depth, weights, given, prefix=prefix, bands=bands)
    if depth is not None:
        raise InputError("CONFIG and --depth: give one of them; --options depth=... changes it")
    missing = [name for name in ("mmengine", "mmcv") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"{config}: a config needs {' and '.join(missing)}; "
            "pip install 'resblock_backbones[onedl]', or give --depth and --weights"
        )
    require_mm_packages(packages=["mmengine", "mmcv"])  # there, but whole?
    from ..openmmlab.configs import cfg_options as typed

    changes = typed.parse_options(cfg_options)
    if with_neck:
        from ..openmmlab.models.backbone_with_neck import network_with_neck

        return network_with_neck(find_config(config), weights, cfg_options=changes)
    from ..openmmlab.models.backbone_of_config import network_of_config

    return network_of_config(
        find_config(config),
        weights,
        options=given,
        cfg_options=changes,
        any_backbone=any_backbone,
        prefix=prefix,
        bands=bands,
    )
