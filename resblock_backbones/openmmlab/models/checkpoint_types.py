"""What MMEngine's checkpoints hold beside tensors, and how it becomes data again."""

from __future__ import annotations

from typing import Any

from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

from ...weights import CheckpointError
from ...weights.reading.plain_values import METHODS, finished
from ...weights.reading.unpickler import Built, Maker, Stranger

#: What a saved HistoryBuffer consists of.
HISTORY = ("max_length", "_log_history", "_count_history", "statistics_methods")
_CLASSES = {
    "mmengine.logging.history_buffer.HistoryBuffer": HistoryBuffer,
    "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler": OneCycleParamScheduler,
}


class History(Built):
    """For `HistoryBuffer` on its way to its contents."""

    __slots__ = ("state",)

    def __init__(self, *_: Any) -> None:
        self.state: dict[str, Any] = {}

    def set_state(self, state: Any) -> None:
        if not isinstance(state, dict) or not set(state) <= set(HISTORY):
            raise CheckpointError("refused, because it holds a HistoryBuffer of an unknown kind")
        self.state = state


#: What a checkpoint of MMEngine's may name beside tensors and plain values.
NAMES: dict[tuple[str, str], Any] = {
    (kind.__module__, kind.__name__): Maker(name, History if kind is HistoryBuffer else None)
    for name, kind in _CLASSES.items()
}


def of_mmengine(value: Any) -> Any:
    """MMEngine's own value for what stands for it in a checkpoint that was read."""
    if isinstance(value, History):
        buffer = HistoryBuffer()
        vars(buffer).update(
            {name: finished(part, of_mmengine) for name, part in value.state.items()}
        )
        return buffer
    if isinstance(value, Maker):
        owner, _, name = value.name.rpartition(".")
        if owner in METHODS and name in METHODS[owner]:
            return getattr(_CLASSES[owner], name)
        return Stranger(value.name)
    return value
