"""What the processor computes fast: instructions of the CPU, tensor cores of a GPU."""

from __future__ import annotations

import functools

import torch


@functools.lru_cache(maxsize=1)
def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies in bfloat16: AVX-512 with its BF16 extension, or AMX.

    Without these, oneDNN converts to float32 and back, which is slower than float32 alone.

    Example:
        >>> isinstance(cpu_has_bfloat16(), bool)
        True
    """
    return any(
        getattr(torch.cpu, name, bool)()
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )


@functools.cache
def gpu_capability(device: torch.device) -> tuple[int, int]:
    """Compute capability of an NVIDIA GPU; ``(0, 0)`` for any other device.

    Example:
        >>> gpu_capability(torch.device("cpu"))
        (0, 0)
    """
    if device.type != "cuda" or torch.version.hip is not None:
        return 0, 0
    return torch.cuda.get_device_capability(device)


def has_tensor_cores(device: torch.device) -> bool:
    """Whether the device's half precision is that of tensor cores, which read channels last.

    Example:
        >>> has_tensor_cores(torch.device("cpu"))
        False
    """
    return gpu_capability(device) >= (7, 0)


def fastest_dtype(device: torch.device) -> torch.dtype | None:
    """The type in which a network is faster than in float32, at bfloat16's precision; None if none.

    Example:
        >>> fastest_dtype(torch.device("meta")) is None
        True
    """
    low = cpu_has_bfloat16() if device.type == "cpu" else gpu_capability(device) >= (8, 0)
    return torch.bfloat16 if low else None
