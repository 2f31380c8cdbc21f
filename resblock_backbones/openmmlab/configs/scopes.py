"""MMDetection and MMSegmentation imported before a config is checked."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings


def import_scope(scope: str | None) -> None:
    """Import MMDetection or MMSegmentation without what their optional parts print on import.

    Their registries are filled when a name is looked up the first time, which is too late for
    checks, and some of their modules print what is not installed.
    """
    if scope not in ("mmdet", "mmseg"):
        return
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in ("datasets", "engine", "evaluation", "models", "visualization"):
            importlib.import_module(f"{scope}.{part}")
