"""The types in MMEngine's checkpoints beside tensors, and their conversion to data."""

from __future__ import annotations

from typing import Any

from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

from ...weights import CheckpointError
from ...weights.reading import stand_ins

#: Attributes of a saved HistoryBuffer.
HISTORY = ("max_length", "_log_history", "_count_history", "statistics_methods")


def without_stand_ins(value: Any) -> Any:
    """The loaded value with stand-ins replaced by arrays, in histories too."""
    if isinstance(value, HistoryBuffer):
        state = vars(value)
        if not set(state) <= set(HISTORY):
            raise CheckpointError("refused, because it holds a HistoryBuffer of unknown structure")
        state.update({name: without_stand_ins(state[name]) for name in state})
        return value
    return stand_ins.without_stand_ins(value, inner=without_stand_ins)


#: For `torch.serialization.safe_globals`.
STAND_INS: list[Any] = [
    HistoryBuffer,
    OneCycleParamScheduler,
    stand_ins.named(stand_ins.method, "builtins", "getattr"),
    *stand_ins.NUMPY,
]
