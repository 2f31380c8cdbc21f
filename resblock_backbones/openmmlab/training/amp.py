"""Mixed precision on the CPU, which MMEngine does not have.

MMEngine's `AmpOptimWrapper` refuses to run without an accelerator. On a CPU mixed precision is
autocast to bfloat16, and since bfloat16 has the exponent range of float32, no gradient scaler.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from ...layers.processor import has_tensor_cores
from ...options.errors import ConfigError
from ...resnet.memory_format import weights_to_channels_last
from ...resnet.network import FlexResNet

# Words in the names of classes that work on sequences, which channels last does not concern.
_SEQUENCES = ("Transformer", "MultiheadAttention", "DeformableAttention", "WindowMSA")


@OPTIM_WRAPPERS.register_module(force=True)
class CpuAmpOptimWrapper(OptimWrapper):
    """`OptimWrapper` that runs the forward pass under bfloat16 autocast on the CPU.

    >>> net = nn.Linear(2, 2)
    >>> wrapper = CpuAmpOptimWrapper(optimizer=torch.optim.SGD(net.parameters(), lr=0.1))
    >>> with wrapper.optim_context(net):
    ...     net(torch.ones(1, 2)).dtype
    torch.bfloat16
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast("cpu", dtype=torch.bfloat16):
            yield


def use_mixed_precision(optim_wrapper: ConfigDict, *, wanted: bool, cuda: bool) -> list[str]:
    """Choose the optimizer wrapper for mixed precision, in place.

    Args:
        optim_wrapper: the config's `optim_wrapper`.
        wanted: whether `--amp` was given. A config may also ask for it.
        cuda: whether an accelerator is available.

    Returns:
        One line per change, for the log.

    Raises:
        ConfigError: `--amp` with a wrapper other than `OptimWrapper` and `AmpOptimWrapper`.

    >>> cfg = ConfigDict(type="OptimWrapper")
    >>> use_mixed_precision(cfg, wanted=True, cuda=False)
    ['optim_wrapper.type: OptimWrapper -> CpuAmpOptimWrapper (bfloat16 autocast on the CPU)']
    """
    kind = optim_wrapper.get("type", "OptimWrapper")
    kind = kind.split(".")[-1] if isinstance(kind, str) else kind.__name__
    if wanted and kind not in ("OptimWrapper", "AmpOptimWrapper", "CpuAmpOptimWrapper"):
        raise ConfigError(
            f"--amp works with optim_wrapper.type='OptimWrapper', but the config has {kind!r}"
        )
    if not wanted and kind != "AmpOptimWrapper":
        return []
    if cuda:
        optim_wrapper["type"] = "AmpOptimWrapper"
        optim_wrapper.setdefault("loss_scale", "dynamic")
        why = "mixed precision on the accelerator"
    else:
        optim_wrapper["type"] = "CpuAmpOptimWrapper"
        for gpu_only in ("loss_scale", "dtype", "use_fsdp"):
            optim_wrapper.pop(gpu_only, None)
        why = "bfloat16 autocast on the CPU"
    if kind == optim_wrapper["type"]:
        return []
    return [f"optim_wrapper.type: {kind} -> {optim_wrapper['type']} ({why})"]


def convert_to_channels_last(
    model: nn.Module, optim_wrapper: Mapping[str, Any], device: torch.device
) -> list[str]:
    """Put a convolutional model in channels last, in place, if it trains on tensor cores in half.

    With these weights PyTorch's convolutions on a GPU compute in channels last, whatever their
    input's format.

    Args:
        model: the whole model.
        optim_wrapper: the config's; ``AmpOptimWrapper`` means mixed precision on a GPU.
        device: where it trains.

    Returns:
        One line per change, for the log.

    >>> convert_to_channels_last(nn.Conv2d(3, 8, 3), {"type": "OptimWrapper"}, torch.device("cpu"))
    []
    """
    kinds = {type(module).__name__ for module in model.modules()}
    if (
        optim_wrapper.get("type") != "AmpOptimWrapper"
        or not has_tensor_cores(device)
        or any(word in kind for kind in kinds for word in _SEQUENCES)
    ):
        return []
    weights_to_channels_last(model)
    for module in model.modules():
        if isinstance(module, FlexResNet) and module.channels_last == "auto":
            module.channels_last = True  # the neck would convert contiguous maps back
    return [
        "model: channels last, which tensor cores read (channels_last=False in the config: not)"
    ]
