"""Terminal output of a run: progress, losses and results; the rest is in the log file.

MMEngine logs the environment, the config and the table of hooks to the terminal before the first
iteration, and pycocotools prints eight lines at every evaluation. The log file still has all that
MMEngine logs; the terminal shows what changes.
"""

from __future__ import annotations

import builtins
import logging
import sys
from functools import partial
from typing import Any

#: Beginnings of the records that go to the log file only.
LOG_FILE_ONLY = (
    "\n------------------------------------------------------------\nSystem environment:",
    "Config:\n",
    "Hooks will be executed in the following order:",
    "Distributed training is not used, all SyncBatchNorm",
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias of',
    "Exp name: ",
)

#: Beginnings of the lines that pycocotools prints as progress.
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
    r"""Log filter for a terminal handler: drops the records that only the log file needs.

    >>> import logging
    >>> record = logging.makeLogRecord({"msg": "Config:\nmodel = dict(...)"})
    >>> KeepScreenReadable().filter(record)
    False
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(LOG_FILE_ONLY)


def quiet_screen_handlers(logger: logging.Logger) -> None:
    """Add `KeepScreenReadable` to the handlers of a logger that write to a terminal."""
    for handler in logger.handlers:
        # FileHandler is a StreamHandler too, and must log everything.
        if isinstance(handler, logging.StreamHandler) and not isinstance(
            handler, logging.FileHandler
        ):
            handler.addFilter(KeepScreenReadable())


def raise_of_log_files(logger: logging.Logger) -> None:
    """Make a log file that cannot be written an error: logging prints a traceback and goes on."""
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handleError = partial(_raise_of, handler)  # type: ignore[method-assign]


def _raise_of(handler: logging.FileHandler, record: logging.LogRecord) -> None:
    error = sys.exc_info()[1]
    if isinstance(error, OSError):
        error.filename = handler.baseFilename  # a full disk does not tell it
        raise error
    logging.Handler.handleError(handler, record)


def quiet_pycocotools() -> None:
    """Drop pycocotools' progress prints; its tables of results are still printed."""
    try:
        from pycocotools import coco, cocoeval
    except ImportError:
        return
    # A module-level `print` shadows the builtin in these two modules only.
    coco.print = _print_without_progress
    cocoeval.print = _print_without_progress


def _print_without_progress(*values: Any, **options: Any) -> None:
    if values and str(values[0]).startswith(PYCOCOTOOLS_PROGRESS):
        return
    builtins.print(*values, **options)
