"""What a program of this package runs on: facts that belong into a report of a fault."""

from __future__ import annotations

import importlib
import os
import platform


def machine_facts() -> list[tuple[str, str]]:
    """Name and value of each, in the order in which they are printed.

    >>> dict(machine_facts())["Python"] == platform.python_version()
    True
    """
    facts = [("Python", platform.python_version()), ("system", platform.platform())]
    try:
        torch = importlib.import_module("torch")
    except Exception:  # told as a fault; the rest is still worth telling
        return [*facts, ("processors", str(os.cpu_count()))]
    capability = torch.backends.cpu.get_cpu_capability()
    facts.append(
        ("processor", f"{platform.machine()}, {capability}, {os.cpu_count()} of them here")
    )
    facts.append(("threads", f"{torch.get_num_threads()} of PyTorch"))
    if torch.version.cuda is None:
        facts.append(("CUDA", "this PyTorch is built without it"))
        return facts
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    facts.append(("CUDA", f"{torch.version.cuda}, {count or 'no'} GPU{'s' * (count > 1)} here"))
    for index in range(count):
        gpu = torch.cuda.get_device_properties(index)
        memory = f"{gpu.total_memory / 2**30:.0f} GiB"
        facts.append((f"GPU {index}", f"{gpu.name}, sm_{gpu.major}{gpu.minor}, {memory}"))
    return facts
