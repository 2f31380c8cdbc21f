"""The oldest PyTorch on which reading a checkpoint never runs code."""

from __future__ import annotations

import importlib
import re
import sys
from importlib import metadata

OLDEST = (2, 10)


def refuse_old_torch(version: str | None = None) -> None:
    """Say that PyTorch is too old, without importing it where pip's records tell its version.

    Args:
        version: of PyTorch; None asks what is installed.

    Raises:
        ImportError: it is older than 2.10.

    >>> refuse_old_torch("2.14.1+cpu")
    >>> refuse_old_torch("2.9.1")
    Traceback (most recent call last):
        ...
    ImportError: torch 2.9.1 is too old for resblock_backbones: reading a checkpoint with \
weights_only=True could run its code before 2.6 (CVE-2025-32434) and corrupt memory before 2.10 \
(CVE-2026-24747); pip install 'torch>=2.10' 'torchvision>=0.25'
    """
    version = version or _installed_version()
    if version is None:  # what needs it says so
        return
    found = re.match(r"(\d+)\.(\d+)", version)
    if found and tuple(map(int, found.groups())) < OLDEST:
        raise ImportError(
            f"torch {version} is too old for resblock_backbones: reading a checkpoint with "
            "weights_only=True could run its code before 2.6 (CVE-2025-32434) and corrupt memory "
            "before 2.10 (CVE-2026-24747); pip install 'torch>=2.10' 'torchvision>=0.25'"
        )


def _installed_version() -> str | None:
    if "torch" not in sys.modules:
        try:
            return metadata.version("torch")
        except metadata.PackageNotFoundError:
            # Built from source and put on the path, or not there.
            try:
                importlib.import_module("torch")
            except ModuleNotFoundError:
                return None
    return str(importlib.import_module("torch").__version__)
