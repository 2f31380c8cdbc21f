"""Devices, as they are named on a command line."""

from __future__ import annotations

import torch


def find_device(name: str | None = None) -> torch.device:
    """The device of this name; None is a GPU if one is available, else the CPU.

    Raises:
        ValueError: the device cannot be used on this machine.

    Example:
        >>> find_device("cpu")
        device(type='cpu')
    """
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"--device {name}: cannot be used here; give cpu, or cuda with a GPU ({reason})"
        ) from error
    return device
