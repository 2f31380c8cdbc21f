"""What fails at a run's start, first iteration or first validation is told in one line.

It is a mistake in the config: heads, losses, metrics and first values look at their settings when
they are first used, with whatever error.
"""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ....options.errors import ConfigError, InputError
from ..processes import explain_lost_process
from .mistakes import MISTAKES, reason_of


@contextmanager
def first_steps_told(reached: Collection[str]) -> Iterator[None]:
    """Turn what a run's first steps raise into a `ConfigError`; later errors pass.

    Args:
        reached: names of the hooks' methods that were called so far.
    """
    try:
        yield
    except (InputError, torch.OutOfMemoryError):
        raise
    except (*MISTAKES, RuntimeError, NameError) as error:
        if explain_lost_process(error) is not None:
            raise
        if "before_train_iter" not in reached:
            where = "the start of the training"
        elif "after_train_iter" not in reached:
            where = "the first iteration"
        elif "before_val_iter" in reached and "after_val_epoch" not in reached:
            where = "the first validation"
        else:
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        said = _last_line(error) or reason_of(error)
        if not str(error):  # an assertion of MMDetection's says nothing but itself
            said = frame.line or type(error).__name__
        raise ConfigError(
            f"{where} fails in {frame.name} ({Path(frame.filename).name}, line {frame.lineno}): "
            f"{said}; --traceback shows all of it"
        ) from error


def _last_line(error: Exception) -> str:
    """What was raised in a loader's process, whose traceback PyTorch puts into the message."""
    text = str(error).strip()
    return text.splitlines()[-1] if "Traceback (most recent call last)" in text else ""
