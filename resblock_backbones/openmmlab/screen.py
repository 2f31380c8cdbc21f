"""What a person sees while a run goes on: progress, losses, results; the rest is in the log file.

MMEngine writes the whole environment, the whole config and the table of hooks to the screen
before the first iteration, and pycocotools prints eight lines at every evaluation. All of it
stays in the log file where MMEngine puts it; the screen keeps what changes.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import io
import logging
import warnings
from typing import Any

#: How the records begin that only the log file keeps.
LOG_FILE_ONLY = (
    "\n------------------------------------------------------------\nSystem environment:",
    "Config:\n",
    "Hooks will be executed in the following order:",
    "Distributed training is not used, all SyncBatchNorm",
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias of',
    "Exp name: ",
)

#: How the progress prints of pycocotools begin.
PYCOCOTOOLS_PROGRESS = (
    "loading annotations into memory",
    "Done (t=",
    "creating index",
    "index created",
    "Loading and preparing results",
    "DONE (t=",
    "Running per image evaluation",
    "Evaluate annotation type",
    "Accumulating evaluation results",
)


class KeepScreenReadable(logging.Filter):
    """Log filter for a screen handler: drops the records that only the log file needs.

    >>> import logging
    >>> record = logging.makeLogRecord({"msg": "Config:\\nmodel = dict(...)"})
    >>> KeepScreenReadable().filter(record)
    False
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(LOG_FILE_ONLY)


def quiet_screen_handlers(logger: logging.Logger) -> None:
    """Put `KeepScreenReadable` on the handlers of a logger that write to a screen."""
    for handler in logger.handlers:
        # FileHandler is a StreamHandler too, and must keep everything.
        if isinstance(handler, logging.StreamHandler) and not isinstance(
            handler, logging.FileHandler
        ):
            handler.addFilter(KeepScreenReadable())


def quiet_pycocotools() -> None:
    """Drop pycocotools' progress prints; its tables of results are printed as ever."""
    try:
        from pycocotools import coco, cocoeval
    except ImportError:
        return
    # A module-level `print` shadows the builtin one in these two modules alone.
    coco.print = _print_without_progress
    cocoeval.print = _print_without_progress


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


def _print_without_progress(*values: Any, **options: Any) -> None:
    if values and str(values[0]).startswith(PYCOCOTOOLS_PROGRESS):
        return
    builtins.print(*values, **options)
