"""Memory format of feature maps: contiguous or channels last."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from ..layers.folding.foldable import is_eager_batch
from ..layers.folding.one_conv import conv_dtype
from ..layers.folding.one_pass import is_cpu_type
from ..layers.folding.recomputed import is_several
from ..layers.processor import has_tensor_cores

ChannelsLast = bool | Literal["auto"]
Model = TypeVar("Model", bound=nn.Module)

# Up to so many threads PyTorch's kernel for a transposed matrix, which uses one, is faster than its
# kernel for any strides, which uses all: three to seven times for each thread (measured).
_SERIAL = 4

# Values of a stage's maps for each value of its kernels, from which channels last is faster on the
# CPU. Measured with ResNet-18 and 50 on two cores with AVX-512 and, for the first stage, AVX2:
# channels last to the end of each stage in turn, 320x320 to 640x640.
WHILE_LEARNING, OTHERWISE = 12, 0.4


def to_channels_last(x: Tensor) -> Tensor:
    """``x``, ``(N, C, H, W)``, in channels_last format.

    Example:
        >>> to_channels_last(torch.zeros(1, 1, 4, 5)).stride()
        (20, 1, 5, 1)
    """
    # One channel has both formats, and PyTorch then takes it for contiguous. A trace has no sizes.
    if isinstance(x, Tensor) and x.shape[1] == 1:
        return torch.empty_like(x, memory_format=torch.channels_last).copy_(x)
    return x.contiguous(memory_format=torch.channels_last)


def back_to_contiguous(x: Tensor) -> Tensor:
    """``x``, computed in channels_last format, contiguous; its gradient comes back channels last.

    A gradient of the other format would be added to that of the next stage, and read by the
    backward pass of this one, by strides, which takes several times as long.

    Example:
        >>> x = torch.ones(1, 2, 4, 5, requires_grad=True)
        >>> out = back_to_contiguous(to_channels_last(x))
        >>> out.is_contiguous(), torch.equal(out, x)
        (True, True)
    """
    return x if x.is_contiguous() else _Converted.apply(x, False)


class _Converted(torch.autograd.Function):
    """A feature map in the other format, and its gradient in that of the feature map.

    The layers that read the result do not save it: their backward pass converts ``x`` again, which
    the layer that made it saves anyway; see ``layers.folding.recomputed``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, last: bool) -> Tensor:
        ctx.last, ctx.taken, ctx.recompute = last, None, _converted_again
        ctx.save_for_backward(x)
        return _in_format(x, last)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        ctx.taken = None
        return _Converted.apply(grad, not ctx.last), None


def _converted_again(node: Any) -> Tensor:
    """The result; several layers may read it."""
    if node.taken is None:
        (x,) = node.saved_tensors
        if torch.is_grad_enabled():  # for a second derivative
            return _Converted.apply(x, node.last)
        node.taken = _in_format(x, node.last)
    return node.taken


def _in_format(x: Tensor, last: bool) -> Tensor:
    """``x`` in one of the formats, on the CPU by transposing matrices where that is faster."""
    if is_several(x):  # it has one dimension more, and no memory format
        return x
    memory_format = torch.channels_last if last else torch.contiguous_format
    other = torch.contiguous_format if last else torch.channels_last
    if (
        x.device.type != "cpu"
        or torch.get_num_threads() > _SERIAL
        or x.is_contiguous(memory_format=memory_format)
        or not x.is_contiguous(memory_format=other)
    ):
        return x.contiguous(memory_format=memory_format)
    batch, channels, height, width = x.shape
    out = torch.empty_like(x, memory_format=memory_format)
    first, second = (x, out) if last else (out, x)
    rows = first.view(batch, channels, height * width)
    columns = second.permute(0, 2, 3, 1).view(batch, height * width, channels).transpose(1, 2)
    for source, target in zip(*((rows, columns) if last else (columns, rows)), strict=True):
        target.copy_(source)
    return out


def weights_to_channels_last(net: Model) -> Model:
    """Convert the weights of torch's own layers in ``net`` to channels_last, and return ``net``.

    Other layers may require contiguous weights, as MMCV's ``ConvWS`` and ``ConvAWS`` do.

    Example:
        >>> conv = weights_to_channels_last(nn.Conv2d(3, 8, 3))
        >>> conv.weight.is_contiguous(memory_format=torch.channels_last)
        True
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and type(module).forward is nn.Conv2d.forward:
            module.weight.data = to_channels_last(module.weight.data)
    return net


def starts_channels_last(x: Tensor, net: Any) -> bool:
    """Whether stem and first stage of a ``FlexResNet`` are faster with channels last for ``x``.

    On a GPU they are in half precision on tensor cores, by autocast or by the input's type. On the
    CPU they are if :func:`stays_channels_last` says so of the first stage. Otherwise, and when
    compiling or tracing, since the compiler chooses formats itself, and if ``x`` is not contiguous,
    the answer is False.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> net = FlexResNet(18)
        >>> [starts_channels_last(torch.zeros(1, 3, side, side), net) for side in (640, 32)]
        [True, False]
    """
    if not (is_eager_batch(x) and x.is_contiguous() and not torch.compiler.is_compiling()):
        return False
    if x.device.type == "cuda":
        dtype = conv_dtype(x, next(net.parameters()))
        return dtype in (torch.float16, torch.bfloat16) and has_tensor_cores(x.device)
    # The stem's map, of a quarter of the height and of the width.
    pixels = x.shape[0] * x.shape[2] * x.shape[3] // 16
    return is_cpu_type(x) and _is_faster(pixels, net.stages[0])


def stays_channels_last(x: Tensor, stage: Any) -> bool:
    """Whether a later stage of a ``FlexResNet`` is faster with channels last, as its input is.

    On the CPU oneDNN reorders input and output of each convolution of contiguous maps; with
    channels last PyTorch reorders the weights instead, except for 1x1 kernels, and once more for
    the gradient. So early stages gain, which have large maps and few channels, and late ones lose
    unless the images are large. In training with AVX2 all but the first lose. On a GPU a network
    that began so stays so.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> first, *_, last = FlexResNet(18).stages
        >>> x = torch.zeros(1, 64, 160, 160)
        >>> stays_channels_last(x, first), stays_channels_last(x[..., :20, :20], last)
        (True, False)
    """
    if x.device.type != "cpu":
        return True
    if torch.is_grad_enabled() and torch.backends.cpu.get_cpu_capability() == "AVX2":
        return False
    return _is_faster(x.shape[0] * x.shape[2] * x.shape[3] // stage[0].stride ** 2, stage)


def _is_faster(pixels: int, stage: nn.Module) -> bool:
    """By the values of all maps of the stage, of so many pixels, for each value of its kernels."""
    kernels = [parameter for parameter in stage.parameters() if parameter.dim() == 4]
    reordered = sum(
        kernel.numel()
        for kernel in kernels
        if not kernel.is_contiguous(memory_format=torch.channels_last)
    )
    values = pixels * sum(kernel.shape[0] for kernel in kernels)
    return values >= reordered * (WHILE_LEARNING if torch.is_grad_enabled() else OTHERWISE)
