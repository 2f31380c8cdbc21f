"""Adapting weights to a network of another shape, on request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..options.checks import check_choice
from .errors import CheckpointError

#: What `load_weights` may change in weights so that they fit.
Adaptation = Literal["in_channels", "kernel_size", "width"]
FIRST_CONVS = ("conv1.weight", "stem.0.weight")


def check_adapt(adapt: Iterable[Any]) -> tuple[Adaptation, ...]:
    """The requested adaptations, validated.

    >>> check_adapt(["in_channel"])
    Traceback (most recent call last):
        ...
    ValueError: adapt='in_channel': must be one of 'in_channels', 'kernel_size', 'width'; \
did you mean 'in_channels'?
    """
    names = (adapt,) if isinstance(adapt, str) else tuple(adapt)
    return tuple(check_choice("adapt", name, list(get_args(Adaptation))) for name in names)


def adapt_tensors(
    found: Mapping[str, Tensor], model: nn.Module, adapt: Collection[Adaptation]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Adapt tensors to the network's shapes; returns them and descriptions of the changes.

    Args:
        found: tensors by the network's names.
        model: the network.
        adapt: ``'in_channels'``: the first convolution's kernels are summed into one channel, or
            repeated over more, and scaled so that equal channels give the same response.
            ``'kernel_size'``: kernels are cropped to their centre, or padded with zeros, which
            does not change their response. ``'width'``: the leading channels are kept, of each
            group if a bottleneck has groups.
    """
    fitted, done = dict(found), dict[str, list[str]]()
    if not adapt:
        return fitted, ()
    for name, own in model.state_dict().items():
        tensor = found.get(name)
        if tensor is None or tensor.shape == own.shape or tensor.ndim != own.ndim:
            continue
        if "in_channels" in adapt and name in FIRST_CONVS:
            tensor = _note(done, name, _other_in_channels(tensor, own.shape[1]), tensor)
        if "kernel_size" in adapt and tensor.ndim > 2:
            tensor = _note(done, name, _other_kernel(tensor, own.shape[2:]), tensor)
        if "width" in adapt:
            tensor = _note(
                done, name, _leading_channels(tensor, own, _groups(name, found, model)), tensor
            )
        fitted[name] = tensor
    return fitted, tuple(
        f"{names[0]}: {what}" if len(names) == 1 else f"{len(names)} tensors: {what}"
        for what, names in done.items()
    )


def reverse_first_conv(found: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Reverse the input channels of the first convolution (RGB, BGR)."""
    name = next(name for name in FIRST_CONVS if name in found)
    return {**found, name: found[name].flip(1)}, (f"{name}: input channels reversed",)


def check_bands(bands: Any, reverse_channels: bool) -> tuple[int | None, ...] | None:
    """The input channels that the caller names, validated.

    >>> check_bands([3, 2, "1"], False)
    Traceback (most recent call last):
        ...
    TypeError: bands=[3, 2, '1']: must list numbers of input channels from 0, or None
    """
    if bands is None:
        return None
    is_list = isinstance(bands, Sequence) and not isinstance(bands, str) and len(bands) > 0
    if not is_list or any(
        band is not None and (type(band) is not int or band < 0) for band in bands
    ):
        raise TypeError(f"bands={bands!r}: must list numbers of input channels from 0, or None")
    if reverse_channels:
        raise ValueError("bands and reverse_channels: bands already says the order; give one")
    return tuple(bands)


def take_bands(
    found: Mapping[str, Tensor], bands: Sequence[int | None], name: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The first convolution for images of other channels, in the order that the caller names.

    Args:
        found: tensors by the network's names.
        bands: of each input channel the number that it has in the weights; None: it has none, and
            its kernels are zero.
        name: of the checkpoint, for messages.

    Raises:
        CheckpointError: the weights have no such channel.

    >>> kernels = {"conv1.weight": torch.arange(4.0).view(1, 4, 1, 1)}
    >>> taken, told = take_bands(kernels, (3, 1, None), "mine")
    >>> taken["conv1.weight"].flatten().tolist(), told
    ([3.0, 1.0, 0.0], ('conv1.weight: input channels 3, 1, None of 4',))
    """
    key = next((key for key in FIRST_CONVS if key in found), None)
    if key is None or found[key].ndim != 4:
        raise CheckpointError(f"{name}: bands={tuple(bands)}: it has no first convolution")
    tensor = found[key]
    missing = [band for band in bands if band is not None and band >= tensor.shape[1]]
    if missing:
        raise CheckpointError(
            f"{name}: bands={tuple(bands)}: its first convolution has {tensor.shape[1]} input "
            f"channels, the last of which is number {tensor.shape[1] - 1}"
        )
    taken = tensor[:, [band or 0 for band in bands]]
    taken[:, [number for number, band in enumerate(bands) if band is None]] = 0
    told = ", ".join(map(str, bands))
    return {**found, key: taken}, (f"{key}: input channels {told} of {tensor.shape[1]}",)


def _note(
    done: dict[str, list[str]], name: str, change: tuple[Tensor, str] | None, before: Tensor
) -> Tensor:
    if change is None:
        return before
    tensor, what = change
    done.setdefault(what, []).append(name)
    return tensor


def _other_in_channels(tensor: Tensor, wanted: int) -> tuple[Tensor, str] | None:
    channels = tensor.shape[1]
    if channels == wanted:
        return None
    if wanted == 1:
        return tensor.sum(1, keepdim=True), f"{channels} input channels summed into 1"
    if channels > 3 and wanted < channels:
        raise CheckpointError(
            f"adapt='in_channels': the weights are of {channels} channels, and nothing says which "
            f"{wanted} of them the images have; name them by bands=, counted from 0"
        )
    repeats = -(-wanted // channels)
    repeated = tensor.repeat(1, repeats, 1, 1)[:, :wanted] * (channels / wanted)
    return repeated, f"{channels} input channels repeated over {wanted}, scaled to the same sum"


def _other_kernel(tensor: Tensor, wanted: torch.Size) -> tuple[Tensor, str] | None:
    sizes = tensor.shape[2:]
    margins = [new - old for old, new in zip(sizes, wanted, strict=True)]
    if not any(margins) or any(margin % 2 for margin in margins):
        return None
    padding = [margin // 2 for margin in reversed(margins) for _ in range(2)]
    how = "cropped to the centre" if min(margins) < 0 else "padded with zeros"
    text = "x".join(map(str, sizes)), "x".join(map(str, wanted))
    return F.pad(tensor, padding), f"kernel {text[0]} to {text[1]}, {how}"


def _leading_channels(
    tensor: Tensor, own: Tensor, axis_groups: tuple[int, int]
) -> tuple[Tensor, str] | None:
    kept = tensor
    for axis, (old, new) in enumerate(zip(tensor.shape[:2], own.shape[:2], strict=True)):
        if new > old:
            return None
        if new == old:
            continue
        groups = axis_groups[axis]
        if old % groups or new % groups:
            return None
        per_group = kept.unflatten(axis, (groups, old // groups))
        kept = per_group.narrow(axis + 1, 0, new // groups).flatten(axis, axis + 1)
    if kept is tensor:
        return None
    return kept, "sliced to the leading channels"


def _groups(name: str, found: Mapping[str, Tensor], model: nn.Module) -> tuple[int, int]:
    """Number of groups of a tensor's output and input channels, in a bottleneck."""
    block_name, _, part = name.rpartition(".")[0].rpartition(".")
    if part not in ("conv1", "bn1", "conv2", "bn2", "conv3") or not block_name:
        return 1, 1
    block = model.get_submodule(block_name)
    middle, weight = getattr(block, "conv2", None), found.get(f"{block_name}.conv2.weight")
    if not hasattr(block, "conv3") or not isinstance(middle, nn.Conv2d) or weight is None:
        return 1, 1
    # In a depthwise convolution each channel is a group, so any leading channels will do.
    groups = 1 if weight.shape[1] == 1 else middle.groups
    return (1, groups) if part == "conv3" else (groups, 1)
