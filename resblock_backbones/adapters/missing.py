"""What to install when an adapter's library is not there."""

from __future__ import annotations


def missing(library: str, extra: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error to raise in place of ``error``; another missing module stays.

    >>> missing("timm", "timm", ModuleNotFoundError("No module named 'timm'", name="timm"))
    ModuleNotFoundError("timm is not installed: pip install 'resblock_backbones[timm]'")
    """
    if (error.name or "").partition(".")[0] != library:
        return error
    return ModuleNotFoundError(
        f"{library} is not installed: pip install 'resblock_backbones[{extra}]'", name=library
    )
