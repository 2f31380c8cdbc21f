"""What a person sees while a run goes on: progress, losses, results; the rest is in the log file.

MMEngine writes the whole environment, the whole config and the table of hooks to the screen
before the first iteration, and pycocotools prints eight lines at every evaluation. All of it
stays in the log file where MMEngine puts it; the screen keeps what changes.
"""

from __future__ import annotations

import builtins
import logging
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
    r"""Log filter for a screen handler: drops the records that only the log file needs.

    >>> import logging
    >>> record = logging.makeLogRecord({"msg": "Config:\nmodel = dict(...)"})
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


def _print_without_progress(*values: Any, **options: Any) -> None:
    if values and str(values[0]).startswith(PYCOCOTOOLS_PROGRESS):
        return
    builtins.print(*values, **options)
