"""The methods that timm's models have beside their forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...options.checks import check_choice, check_int
from ...options.errors import InputError
from ..memory_format import back_to_contiguous
from ..residual_unit import ResidualUnit
from .feature_maps import maps_in_order


class TimmMethods:
    """Feature maps by timm's count, checkpointing, and groups of parameters.

    Feature map 0 is the stem's, before its pooling; the stages' are 1, 2, ...
    """

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The last feature map, and those that ``indices`` name.

        Args:
            x: ``(N, in_channels, H, W)``.
            indices: of the feature maps, from 0, the stem's; negative ones count from the end, a
                number n stands for the last n, None for all.
            norm: there is none behind the last stage, so it changes nothing.
            stop_early: leave out the stages behind the last of ``indices``, also in the first
                result.
            output_fmt: ``'NCHW'`` or ``'NHWC'``.
            intermediates_only: return the list alone.

        Raises:
            InputError: there is no such feature map.

        Example:
            >>> import torch
            >>> from resblock_backbones import FlexResNet
            >>> net, x = FlexResNet(18, width=0.25).eval(), torch.zeros(1, 3, 64, 64)
            >>> last, maps = net.forward_intermediates(x, indices=(0, -1))
            >>> [tuple(one.shape) for one in (last, *maps)]
            [(1, 128, 2, 2), (1, 16, 32, 32), (1, 128, 2, 2)]
        """
        output_fmt = getattr(output_fmt, "value", output_fmt)  # timm's wrappers give their Enum
        check_choice("output_fmt", output_fmt, ["NCHW", "NHWC"])
        net: Any = self
        wanted = take_indices(len(net.stages) + 1, indices)
        count = max(wanted) if stop_early else len(net.stages)
        maps, back = maps_in_order(net, x, count)
        del maps[1:2]  # behind the stem's pooling, which timm does not count
        chosen = [back_to_contiguous(maps[index]) if back else maps[index] for index in wanted]
        if output_fmt == "NHWC":
            chosen = [one.permute(0, 2, 3, 1) for one in chosen]
        if intermediates_only:
            return chosen
        return back_to_contiguous(maps[-1]) if back else maps[-1], chosen

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute each block in the backward pass, or not; as ``with_cp``."""
        net: Any = self
        for block in net.modules():
            if isinstance(block, ResidualUnit):
                block.with_cp = enable

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        r"""Patterns that group parameters by stage (``coarse``) or by block, as timm reads them.

        Example:
            >>> from resblock_backbones import FlexResNet
            >>> FlexResNet(18, width=0.25).group_matcher(coarse=True)["blocks"]
            '^layer(\\d+)'
        """
        blocks = r"^layer(\d+)" if coarse else r"^layer(\d+)\.(\d+)"
        return {"stem": r"^(?:conv1|bn1|stem|maxpool)\.", "blocks": blocks}

    def no_weight_decay(self) -> set[str]:
        """Names of parameters without weight decay, beside norms and biases: none."""
        return set()


def take_indices(
    count: int, indices: int | Sequence[int] | None, name: str = "indices"
) -> list[int]:
    """Indices from 0 of the feature maps that timm's ``indices`` name, ascending.

    >>> take_indices(5, None), take_indices(5, 2), take_indices(5, (-1, 1))
    ([0, 1, 2, 3, 4], [3, 4], [1, 4])
    """
    if indices is None:
        return list(range(count))
    if isinstance(indices, int):
        return list(range(count - check_int(name, indices, 1, count), count))
    taken = set()
    for index in indices:
        if not isinstance(index, int):
            check_int(name, index, -count, count - 1)  # refuses it
        if not -count <= index < count:
            raise InputError(
                f"{name}={tuple(indices)}: there is no feature map {index}; the stem's is 0, "
                f"those of the stages are 1 to {count - 1}"
            )
        taken.add(index % count)
    if not taken:
        raise InputError(f"{name}=(): must name at least one feature map")
    return sorted(taken)
