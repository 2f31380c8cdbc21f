"""Building a network from its weights."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..resnet.network import FlexResNet
from ..resnet.plan import NetworkPlan
from .adapt import Adaptation, check_adapt, check_bands
from .backbone import Backbone, open_backbone
from .errors import CheckpointError, tell
from .inferring.options import NORM_GROUPS, describe, first_stages, infer_options
from .load import match
from .reading.sources import Source
from .values import refuse_fused

logger = logging.getLogger(__name__)

Network = TypeVar("Network", bound=nn.Module)


def build_from_checkpoint(
    network: type[Network],
    source: str | Path | Mapping[str, Any],
    *,
    prefix: str | None,
    allow_partial: bool,
    adapt: Iterable[Adaptation],
    reverse_channels: bool,
    bands: Sequence[int | None] | None,
    options: Mapping[str, Any],
) -> Network:
    """Implementation of ``FlexResNet.from_checkpoint``, which documents the arguments."""
    adaptations = check_adapt(adapt)
    chosen = check_bands(bands, reverse_channels)
    opened, backbone = open_backbone(source, prefix)
    return build_network(
        network,
        opened,
        backbone,
        allow_partial=allow_partial,
        adapt=adaptations,
        reverse_channels=reverse_channels,
        bands=chosen,
        options=options if chosen is None else {"in_channels": len(chosen), **options},
    )


def build_network(
    network: type[Network],
    opened: Source,
    backbone: Backbone,
    *,
    allow_partial: bool = False,
    adapt: Collection[Adaptation] = (),
    reverse_channels: bool = False,
    bands: Sequence[int | None] | None = None,
    options: Mapping[str, Any],
) -> Network:
    """The network of a backbone that was found; arguments as for ``FlexResNet.from_checkpoint``."""
    if not allow_partial:
        backbone.refuse_strange(opened.name)
    refuse_fused(backbone.tensors, opened.name)
    chosen = _chosen_options(backbone, opened, options)
    logger.info("%s: %s(%s)", opened.name, network.__name__, describe(chosen))
    try:
        with torch.device("meta"):  # no memory and no initialisation, since weights are loaded
            net = network(**chosen)
    except ValueError as error:
        # Messages begin with the option's name.
        if str(error).replace("=", ":").partition(":")[0] in options:
            raise
        raise CheckpointError(
            f"{opened.name}: is not a ResNet that FlexResNet can be: {error}"
        ) from error
    tensors, _ = match(net, backbone, opened.name, allow_partial, adapt, reverse_channels, bands)
    for key, tensor in tensors.items():
        if tensor.is_meta and torch.get_default_device().type != "meta":
            raise CheckpointError(f"{opened.name}: {key} has no values: it is on the 'meta' device")
    tensors = {key: _own(tensor, opened.owned) for key, tensor in tensors.items()}
    net.load_state_dict(tensors, strict=False, assign=True)
    if any(tensor.is_meta for tensor in (*net.parameters(), *net.buffers())):
        # Tensors that are not in the checkpoint need memory and an initialisation.
        net = network(**chosen)
        net.load_state_dict(tensors, strict=False, assign=True)
    net.is_init = True  # type: ignore[assignment]  # MMEngine: leave the values alone
    return net


def read_plan(
    source: str | Path | Mapping[str, Any], *, prefix: str | None = None, **options: Any
) -> NetworkPlan:
    """The plan of the network that a checkpoint is of; nothing is built.

    Args:
        source, prefix, options: as for ``FlexResNet.from_checkpoint``.

    Raises:
        CheckpointError: unreadable, or of no ResNet that ``FlexResNet`` can be.
        ValueError, TypeError: a wrong option.

    Example:
        >>> import torchvision
        >>> read_plan(torchvision.models.resnet18().state_dict()) == FlexResNet.plan_of(depth=18)
        True
    """
    opened, backbone = open_backbone(source, prefix)
    return FlexResNet.plan_of(**_chosen_options(backbone, opened, options))


def _chosen_options(backbone: Backbone, opened: Source, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, then what the weights tell."""
    told = backbone_options(backbone, opened, given)
    if isinstance(given.get("num_stages"), int):
        told = first_stages(told, given["num_stages"])
    return told | dict(given)


def backbone_options(
    backbone: Backbone, source: Source, given: Collection[str] = ()
) -> dict[str, Any]:
    """Options of ``FlexResNet`` from the weights, their family and their source."""
    shapes = {key: tuple(tensor.shape) for key, tensor in backbone.tensors.items()}
    try:
        options = infer_options(shapes, source.name, {*given, *source.options})
    except (LookupError, ArithmeticError) as error:
        missing = isinstance(error, KeyError) and f"{error.args[0]} is missing"
        raise CheckpointError(
            f"{source.name}: is not a ResNet that FlexResNet can be: "
            f"{missing or 'its tensors have other dimensions'}"
        ) from error
    if "stem_kernel_size" in options.keys() - given and backbone.dialect.name != "flex":
        size = options["stem_kernel_size"]
        raise CheckpointError(
            f"{source.name}: its stem is a {size}x{size} convolution, as in networks for small "
            "images, whose stems do not downsample as FlexResNet's do; if this one does, set "
            f"stem_kernel_size={size}"
        )
    by_source = dict(source.options)
    return options | _told_options(backbone, source, options, given) | by_source


def _told_options(
    backbone: Backbone, source: Source, inferred: Mapping[str, Any], given: Collection[str]
) -> dict[str, Any]:
    """What the claims add to what the shapes show, with a word for each guess."""
    claims, name = backbone.claims, source.name
    if "norm_cfg" in inferred.keys() - source.options.keys():
        tell(
            f"{name}: its norms are taken for group norms of {NORM_GROUPS} groups, which weights "
            "do not show; set norm_cfg=dict(type='GN', num_groups=...) if not"
        )
    signature = backbone.dialect.signature
    if signature and not any(key.startswith(signature) for key in backbone.others):
        guessed = ", ".join(f"{key}={value!r}" for key, value in claims.options.items())
        tell(
            f"{name}: {guessed} is a guess: its stem is as {backbone.dialect.name}'s, but it has "
            f"no {signature}*; set these options if they differ"
        )
    if "style" in given or "style" in source.options:
        return dict(claims.options)
    if claims.style is None:
        raise CheckpointError(
            f"{name}: nothing in it says where its bottlenecks downsample; set style='pytorch' (in "
            "the 3x3 convolution, as torchvision's and those trained from them) or style='caffe' "
            "(in the first, as MSRA's)"
        )
    if claims.is_guess:
        tell(
            f"{name}: style='{claims.style}' is a guess by {claims.source}; set style= if it is "
            "another"
        )
    return {**claims.options, **({"style": "caffe"} if claims.style == "caffe" else {})}


def _own(tensor: Tensor, owned: bool) -> Tensor:
    """A tensor that a network may own: not shared, and of a dtype that can be trained."""
    if tensor.is_floating_point() and tensor.dtype not in (torch.float32, torch.float64):
        return tensor.float()
    return tensor.contiguous() if owned else tensor.clone(memory_format=torch.contiguous_format)
