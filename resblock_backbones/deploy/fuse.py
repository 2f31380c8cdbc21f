"""A copy of a backbone for inference: norms folded into convolutions, channels last."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torchvision.models._utils import IntermediateLayerGetter

from ..layers.folding.fold import Terms, fold
from ..layers.folding.foldable import is_foldable, is_plain_conv, is_plain_sequence
from ..layers.folding.one_conv import PACKED
from ..layers.folding.packed_weight import PackedWeight
from ..layers.processor import fastest_dtype
from ..resnet.memory_format import weights_to_channels_last
from ..resnet.network import FlexResNet
from ..resnet.residual_unit import ResidualUnit

Model = TypeVar("Model", bound=nn.Module)
FusedDtype = torch.dtype | Literal["auto"] | None


class FusedBackbone(nn.Module):
    """A backbone that converts its input and its outputs; the result of :func:`fuse`.

    It stays in eval mode after ``train()``, and none of its parameters requires gradients.

    Args:
        net: the backbone.

    Attributes:
        out_channels, out_strides, feature_info: as for a ``FlexResNet``.

    Shape:
        As for ``net``, ``(N, C, H, W)`` to a tuple of such. The input may have any floating point
        type and layout; the outputs have the input's type, and channels last.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        for name in ("out_channels", "out_strides", "feature_info"):
            if hasattr(net, name):
                setattr(self, name, getattr(net, name))
        self.train(False)

    def forward(self, x: Tensor) -> Any:
        dtype = next(self.net.parameters()).dtype
        outputs = self.net(x.to(dtype=dtype, memory_format=torch.channels_last))
        if isinstance(x, Tensor) and not x.is_floating_point():  # a symbolic trace cannot tell
            return outputs
        return _to(outputs, x.dtype)

    def train(self, mode: bool = True) -> FusedBackbone:
        """Does nothing: the backbone is for inference."""
        return super().train(False)


def fuse(net: nn.Module, dtype: FusedDtype = None) -> FusedBackbone:
    """A copy of ``net`` for inference, with the same outputs, faster.

    Every norm after a convolution is folded into it, except for those that cannot be (group norms,
    norms after a deformable convolution), and weights are in channels_last format. Later changes of
    ``net`` do not affect the copy.

    Args:
        net: a ``FlexResNet``; or torchvision's ``IntermediateLayerGetter`` of one, the ``body`` of
            its ``BackboneWithFPN``.
        dtype: compute in this type, for example ``torch.bfloat16``; None keeps the network's;
            ``'auto'``: bfloat16 for a float32 network on a processor that is faster in it, with
            AVX-512 BF16, AMX or tensor cores. The outputs have the input's type either way, so that
            neck and heads stay as they are.

    Raises:
        TypeError: ``net`` is something else, or ``dtype`` is not a floating point type.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> fused = fuse(FlexResNet(18, width=0.25))
        >>> fused.out_channels, [tuple(out.shape) for out in fused(torch.zeros(1, 3, 64, 64))][0]
        ((16, 32, 64, 128), (1, 16, 16, 16))
        >>> any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
        False
    """
    if not _is_backbone(net):
        raise TypeError(
            f"fuse: {type(net).__name__} is not a FlexResNet; for a whole model use fuse_backbone"
        )
    dtype = _resolved(dtype, net)
    net = copy.deepcopy(net).eval().requires_grad_(False)
    for parent in list(net.modules()):
        for conv, norm in list(_pairs(parent)):
            _fold(parent, conv, norm)
    for module in net.modules():
        if is_plain_conv(module):
            setattr(module, PACKED, PackedWeight())
    if dtype is not None:
        net = net.to(dtype)
    return FusedBackbone(weights_to_channels_last(net))


def fuse_backbone(model: Model, dtype: FusedDtype = None) -> Model:
    """A copy of a whole model in eval mode, its backbone replaced by :func:`fuse`'s of it.

    Args:
        model: a detector or segmentor with a ``FlexResNet`` anywhere inside: of MMDetection,
            MMSegmentation or torchvision, or a custom one.
        dtype: of the backbone alone; see :func:`fuse`.

    Raises:
        ValueError: there is no ``FlexResNet`` in ``model``.
        TypeError: as :func:`fuse`.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> model = nn.Sequential(FlexResNet(18, width=0.25, out_indices=(3,)))
        >>> type(fuse_backbone(model)[0]).__name__, type(model[0]).__name__
        ('FusedBackbone', 'FlexResNet')
    """
    if _is_backbone(model):
        return fuse(model, dtype)  # type: ignore[return-value]
    model = copy.deepcopy(model).eval()
    found = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if _is_backbone(child) and not isinstance(parent, FusedBackbone)
    ]
    if not found:
        raise ValueError(
            f"fuse_backbone: {type(model).__name__} contains no FlexResNet, or one that is fused "
            "already; only FlexResNet can be fused"
        )
    for parent, name, child in found:
        setattr(parent, name, fuse(child, dtype))
    return model


def _resolved(dtype: Any, net: nn.Module) -> torch.dtype | None:
    if dtype == "auto":
        weight = next(net.parameters())
        return fastest_dtype(weight.device) if weight.dtype == torch.float32 else None
    if dtype is None or isinstance(dtype, torch.dtype) and dtype.is_floating_point:
        return dtype
    raise TypeError(
        f"dtype={dtype!r}: must be a floating point type, as torch.bfloat16, 'auto' or None"
    )


def _is_backbone(module: nn.Module) -> bool:
    if isinstance(module, IntermediateLayerGetter):
        return any(isinstance(part, ResidualUnit) for part in module.modules())
    return isinstance(module, FlexResNet)


def _pairs(parent: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of the convolutions in ``parent`` and of the norms that follow them directly."""
    if isinstance(parent, ResidualUnit):
        for number in range(1, parent.convolutions + 1):
            yield f"conv{number}", f"bn{number}"
    elif (
        isinstance(parent, FlexResNet | IntermediateLayerGetter)
        or isinstance(parent, nn.Sequential)
        and is_plain_sequence(parent)
    ):
        names = [name for name, _ in parent.named_children()]
        yield from zip(names, names[1:], strict=False)


def _fold(parent: nn.Module, conv_name: str, norm_name: str) -> None:
    conv: Any = getattr(parent, conv_name)
    norm: Any = getattr(parent, norm_name)
    while isinstance(conv, nn.Sequential) and len(conv) and is_plain_sequence(conv):
        conv = conv[-1]
    if not is_foldable(conv, norm):
        return
    terms = Terms(
        conv.weight, conv.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var
    )
    weight, bias = fold(terms, norm.eps)
    conv.weight = nn.Parameter(weight.to(conv.weight.dtype), requires_grad=False)
    conv.bias = nn.Parameter(bias.to(conv.weight.dtype), requires_grad=False)
    setattr(parent, norm_name, nn.Identity())


def _to(outputs: Any, dtype: torch.dtype) -> Any:
    if isinstance(outputs, Mapping):
        return type(outputs)((name, _to(output, dtype)) for name, output in outputs.items())  # type: ignore[call-arg]
    if isinstance(outputs, list | tuple):
        return type(outputs)(_to(output, dtype) for output in outputs)
    return outputs.to(dtype)
