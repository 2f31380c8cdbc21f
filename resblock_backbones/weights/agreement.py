"""Whether a network is what is known of the weights that it gets, beside their shapes."""

from __future__ import annotations

from torch import nn

from .finding.claims import Claims


def disagreements(model: nn.Module, claims: Claims) -> list[str]:
    """What the network does otherwise than the network that the weights are of, a sentence each.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> known = Claims("caffe", "its signature", False, "BGR", {})
        >>> told = disagreements(FlexResNet(50, width=0.0625), known)
        >>> told[0].rpartition("; ")[2]
        "build it with style='caffe'"
    """
    found = []
    own = network_style(model)
    if own is not None and claims.style is None:
        found.append(
            "nothing in the file says where its bottlenecks downsample; this network does so in "
            f"the {WHERE[own]} (style='{own}'): the features are the source's if that network did"
        )
    elif own is not None and own != claims.style and not claims.is_habit:
        found.append(
            f"they downsample in the {WHERE[str(claims.style)]} of bottlenecks, this network in "
            f"the {WHERE[own]}, so that its features are not theirs ({claims.source} says so); "
            f"build it with style='{claims.style}'"
        )
    if claims.options.get("stem_pool") == "average" and _stem_pooling(model) is nn.MaxPool2d:
        options = ", ".join(f"{name}={value!r}" for name, value in claims.options.items())
        found.append(
            "the network that they are of averages where this one takes the maximum or strides; "
            f"build it with {options}"
        )
    return found


WHERE = {"pytorch": "3x3 convolution", "caffe": "first convolution"}


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


def _stem_pooling(model: nn.Module) -> type | None:
    pooling = getattr(model, "maxpool", None)
    return None if pooling is None else type(pooling)
