"""Mixed precision on the CPU, which MMEngine does not have.

MMEngine's `AmpOptimWrapper` refuses to run without an accelerator. On a CPU mixed precision is
autocast to bfloat16, and since bfloat16 has the exponent range of float32, no gradient scaler.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from ...options.errors import ConfigError


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
