"""The forward pass of residual blocks and of stages."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..layers import conv_norm, conv_norm_act, run_layers
from ..layers.folding.foldable import is_unhooked
from ..layers.folding.one_pass import MIN_OUTPUT_NUMEL
from ..layers.norm import recompute_contexts
from ..options.checks import check_choice
from .extras import run_extras
from .interfaces.familiar_names import FamiliarBlock
from .interfaces.scripting import scriptable, traced

# What a block computes again in the backward pass, beside what takes no time.
Recompute = Literal["light"] | None


def check_recompute(recompute: Recompute, with_cp: bool) -> Recompute:
    """``recompute``, if it is a valid value and ``with_cp`` leaves it something to do.

    Raises:
        ValueError: it is not.
    """
    check_choice("recompute", recompute, [None, "light"])
    if recompute and with_cp:
        raise ValueError(
            f"recompute={recompute!r}: with_cp=True recomputes the whole block; give one of the two"
        )
    return recompute


class ResidualUnit(FamiliarBlock, nn.Module):
    """The forward pass of all blocks: convolutions, optional modules, shortcut, activations.

    A subclass builds ``conv1 bn1 ... convN bnN``, and says how many there are.
    """

    convolutions: int
    extras: dict[str, tuple[str, ...]]

    residual: nn.Module | None
    relu_inplace: nn.Module
    drop_path: nn.Module | None
    with_cp: bool
    recompute: Recompute
    skip_last_relu: bool
    conv2: nn.Module

    def __repr__(self) -> str:
        # Newer PyTorch also prints a norm's bias, which the output in the blog post does not have.
        return super().__repr__().replace("affine=True, bias=True", "affine=True")

    @traced
    def forward(self, x: Tensor, overwrite: bool = False) -> Tensor:
        """``(N, inplanes, H, W)`` to ``(N, outplanes, H', W')``.

        With ``overwrite`` the result may be written into the memory of ``x`` if that is not needed
        for a gradient; only if nothing else uses ``x``.
        """
        if self.with_cp and torch.is_grad_enabled() and isinstance(x, Tensor):  # no fx.Proxy
            if torch.compiler.is_compiling():  # a graph recomputes values alone, in no context
                return checkpoint(self._compute, x, use_reentrant=False)
            contexts = partial(recompute_contexts, self)
            return checkpoint(self._compute, x, use_reentrant=False, context_fn=contexts)
        return self._compute(x, overwrite)

    def _compute(self, x: Tensor, overwrite: bool = False) -> Tensor:
        shortcut = None
        if self.residual is not None:
            shortcut = run_layers([self.residual], x)  # (N, outplanes, H / stride, W / stride)
            if shortcut is not x:
                overwrite = is_unhooked(self.residual)
        for number in range(1, self.convolutions):
            # (N, midplanes, ...); the size shrinks at the convolution that has the stride, or
            # behind it at the extras that blur
            alone = f"after_conv{number}" not in self.extras and not self.with_cp
            x = conv_norm_act(
                x,
                *self._layers(number),
                self.relu_inplace,
                reader=getattr(self, f"conv{number + 1}") if alone else None,
                light=self.recompute == "light" and number == 1,
            )
            x = run_extras(self, f"after_conv{number}", x)
        # -> (N, outplanes, H / stride, W / stride)
        layers, last = self._layers(self.convolutions), f"after_conv{self.convolutions}"
        act = None if self.skip_last_relu else self.relu_inplace
        if last not in self.extras and self.drop_path is None:
            return conv_norm_act(x, *layers, act, shortcut, overwrite)
        x = run_extras(self, last, conv_norm(x, *layers))
        if self.drop_path is not None:
            x = self.drop_path(x)
        # Not in place: the optional modules' output may be saved for their gradients.
        x = x.clone() if shortcut is None else x + shortcut
        return x if act is None else act(x)

    def __prepare_scriptable__(self) -> nn.Module:
        return scriptable(self, overwrite=False)  # torch.jit.script asks for it

    def _layers(self, number: int) -> tuple[nn.Module, nn.Module]:
        return getattr(self, f"conv{number}"), getattr(self, f"bn{number}")


class ResidualStage(nn.Sequential):
    """The blocks of a stage, one after the other; in inference they share memory.

    Only the next block uses a block's output, so it may overwrite it. For large feature maps on the
    CPU this takes less time than allocating new memory. The stage's input is not overwritten, nor
    is a tensor that a hook may hold.

    Example:
        >>> from resblock_backbones import ResBlock
        >>> stage = ResidualStage(ResBlock(8, 8), ResBlock(8, 8)).eval()
        >>> tuple(stage(torch.zeros(1, 8, 4, 4)).shape)
        (1, 8, 4, 4)
    """

    @traced
    def forward(self, x: Tensor) -> Tensor:
        own = False
        for block in self:
            alone = _computes_alone(block, x)
            x = block(x, overwrite=True) if own and alone else block(x)
            own = alone
        return x

    def __prepare_scriptable__(self) -> nn.Module:
        return scriptable(self)


def _computes_alone(block: nn.Module, x: Tensor) -> bool:
    """Whether only ``block`` uses ``x``, and only its caller the result."""
    return (
        type(x) is Tensor  # not a proxy while tracing
        and x.device.type == "cpu"  # no gain on other devices and with small feature maps
        and x.numel() >= MIN_OUTPUT_NUMEL
        and not torch.compiler.is_compiling()
        and type(block).forward is ResidualUnit.forward
        and is_unhooked(block)
    )
