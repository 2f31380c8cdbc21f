"""Images a second and memory in the lines of progress."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook

#: Iterations over which the speed is averaged.
WINDOW = 50


class SpeedHook(Hook):
    """Logs `images_per_s`, of all processes, and without a GPU `memory`.

    With a GPU MMEngine logs `memory` itself, in MiB of the GPU; without one it is the largest
    resident set of the process so far, in MiB.
    """

    priority = "NORMAL"  # before LoggerHook

    def __init__(self) -> None:
        self.images: deque[int] = deque(maxlen=WINDOW)
        self.seconds: deque[float] = deque(maxlen=WINDOW)
        self.begin = 0.0

    def before_train(self, runner: Any) -> None:
        self.begin = time.perf_counter()

    def before_train_epoch(self, runner: Any) -> None:
        self.begin = time.perf_counter()

    def after_val(self, runner: Any) -> None:
        self.begin = time.perf_counter()  # a validation is no training

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        now = time.perf_counter()
        try:
            images = len(data_batch["inputs"])
        except (TypeError, KeyError, IndexError):  # a loader of another kind
            return
        self.images.append(images * get_world_size())
        self.seconds.append(now - self.begin)
        self.begin = now
        speed = sum(self.images) / max(sum(self.seconds), 1e-9)
        runner.message_hub.update_scalar("train/images_per_s", speed)
        memory = peak_memory()
        if memory is not None and not torch.cuda.is_available():
            runner.message_hub.update_scalar("train/memory", memory)


def peak_memory() -> int | None:
    """The largest resident set of this process so far, in MiB; None where that is not told.

    >>> peak_memory() is None or peak_memory() > 10
    True
    """
    try:
        import resource
    except ImportError:  # Windows
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest // 2**20 if sys.platform == "darwin" else largest // 2**10
