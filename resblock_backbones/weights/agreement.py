"""Whether a network is what is known of the weights that it gets, beside their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..layers.act import ACTIVATIONS
from .finding.claims import Claims


def disagreements(
    model: nn.Module, claims: Claims, options: Mapping[str, Any] | None = None
) -> list[str]:
    """What the network does otherwise than the network that the weights are of, a sentence each.

    Args:
        model: the network.
        claims: what the weights' family and file say.
        options: of ``FlexResNet``, that the weights' store says.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> known = Claims("caffe", "its signature", False, "BGR", {})
        >>> told = disagreements(FlexResNet(50, width=0.0625), known)
        >>> told[0].rpartition("; ")[2]
        "build it with style='caffe'"
    """
    found = []
    known = {**claims.options, **(options or {})}
    style = known.get("style", claims.style)
    source = "its store" if "style" in known else claims.source
    own = network_style(model)
    if own is not None and style is None:
        found.append(
            "nothing in the file says where its bottlenecks downsample; this network does so in "
            f"the {WHERE[own]} (style='{own}'): the features are the source's if that network did"
        )
    elif own is not None and own != style and not (claims.is_habit and "style" not in known):
        found.append(
            f"they downsample in the {WHERE[str(style)]} of bottlenecks, this network in "
            f"the {WHERE[own]}, so that its features are not theirs ({source} says so); "
            f"build it with style='{style}'"
        )
    others = _other_options(model, known)
    if others:
        wanted = ", ".join(f"{name}={known[name]!r}" for name in others)
        found.append(
            f"the network that they are of has other {' and '.join(map(WHAT.__getitem__, others))} "
            f"than this one, so that its features are not theirs; build it with {wanted}"
        )
    return found


WHERE = {"pytorch": "3x3 convolution", "caffe": "first convolution"}
#: Options that weights do not show and a store may say, and what they are.
WHAT = {
    "anti_alias": "subsampling",
    "stem_pool": "pooling in the stem",
    "act_cfg": "activations",
    "norm_cfg": "norms",
}


def network_style(model: nn.Module) -> str | None:
    """Where a network's bottlenecks downsample; None where none of them does.

    >>> from resblock_backbones import FlexResNet
    >>> network_style(FlexResNet(50, width=0.0625, style="caffe")), network_style(FlexResNet(18))
    ('caffe', None)
    """
    for name, block in model.named_modules():
        first, last = getattr(block, "conv1", None), getattr(block, "conv3", None)
        if not name.startswith("layer") or last is None:
            continue
        strides = [getattr(one, "stride", 1) for one in (first, getattr(block, "conv2", None))]
        one, two = (max(stride) if isinstance(stride, tuple) else stride for stride in strides)
        if one > 1 or two > 1:
            return "caffe" if one > 1 else "pytorch"
    return None


def _other_options(model: nn.Module, known: Mapping[str, Any]) -> list[str]:
    """The known options that a ``FlexResNet`` has with another effect."""
    plan: Any = getattr(model, "plan", None)
    if plan is None:
        return []
    shared = plan.shared
    ours = {
        "anti_alias": _kind(shared.anti_alias),
        "stem_pool": plan.stem.pool,
        "act_cfg": _activation(shared.act_cfg),
        "norm_cfg": _norm(shared.norm_cfg),
    }
    read = {"anti_alias": _kind, "act_cfg": _activation, "norm_cfg": _norm}
    return [
        name
        for name, own in ours.items()
        if name in known and read.get(name, str)(known[name]) != own
    ]


def _kind(anti_alias: Any) -> Any:
    return "blur" if anti_alias is True else anti_alias


def _activation(cfg: Any) -> Any:
    name = cfg.get("type") if isinstance(cfg, Mapping) else cfg
    return ACTIVATIONS.get(name or "ReLU", name) if isinstance(name, str | None) else name


def _norm(cfg: Any) -> tuple[Any, Any]:
    """What of a norm weights do not show: its epsilon and its groups."""
    given = cfg if isinstance(cfg, Mapping) else {}
    return given.get("eps", 1e-5), given.get("num_groups")
