"""What fails in a run's first iteration or validation is a mistake in the config, told in one line.

Heads, losses and metrics look at their settings when they are first used, with whatever error.
"""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ....options.errors import ConfigError, InputError
from .mistakes import MISTAKES, reason_of


@contextmanager
def first_steps_told(reached: Collection[str]) -> Iterator[None]:
    """Turn what the first iteration or validation raises into a `ConfigError`; later errors pass.

    Args:
        reached: names of the hooks' methods that were called so far.
    """
    try:
        yield
    except (InputError, torch.OutOfMemoryError):
        raise
    except (*MISTAKES, RuntimeError, NameError) as error:
        if "after_train_iter" not in reached and "before_train_iter" in reached:
            where = "the first iteration"
        elif "before_val_iter" in reached and "after_val_epoch" not in reached:
            where = "the first validation"
        else:
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        # An assertion of MMDetection's says nothing but itself.
        said = reason_of(error) if str(error) else frame.line or type(error).__name__
        raise ConfigError(
            f"{where} fails in {frame.name} ({Path(frame.filename).name}, line {frame.lineno}): "
            f"{said}; --traceback shows all of it"
        ) from error
