"""Harmless stand-ins for the few things beside tensors that MMEngine's checkpoints hold.

Allowing `numpy.dtype` or `getattr` themselves would let a crafted file reach further than data:
a dtype can be given flags that make numpy take bytes for pointers, and `getattr` reaches any
attribute. A stand-in takes the same arguments and can only become a number, an array of
numbers, or a method of a class named here.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

from .errors import CheckpointError

#: Booleans, integers, floats, complex numbers, bytes and text, as numpy names them.
PLAIN_DTYPE = re.compile(r"[|<>=]?[biufcSU]\d+")

#: The attributes that MMEngine's own classes save by name.
METHODS = {
    HistoryBuffer: ("min", "max", "current", "mean"),
    OneCycleParamScheduler: ("_annealing_cos", "_annealing_linear"),
}

#: What a saved HistoryBuffer consists of.
HISTORY = ("max_length", "_log_history", "_count_history", "statistics_methods")


class PlainDtype:
    """For `numpy.dtype`: plain numbers and text only.

    >>> PlainDtype("f8", False, True).numpy
    dtype('float64')
    >>> PlainDtype("O8")
    Traceback (most recent call last):
        ...
    resblock_backbones.openmmlab.errors.CheckpointError: refused, because it holds an array of 'O8'
    """

    def __init__(self, name: str = "f8", align: bool = False, copy: bool = True) -> None:
        if not isinstance(name, str) or not PLAIN_DTYPE.fullmatch(name):
            raise CheckpointError(f"refused, because it holds an array of {name!r}")
        self.numpy = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        # (version, byte order, ...): all that follows is of use for structured types only.
        if len(state) > 1 and state[1] in ("<", ">", "=", "|"):
            self.numpy = self.numpy.newbyteorder(state[1])


class PlainArray:
    """For `numpy.ndarray` on its way from `_reconstruct` to its contents."""

    def __init__(self) -> None:
        self.numpy = np.zeros(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, contents = state
        if not isinstance(dtype, PlainDtype) or not isinstance(contents, bytes):
            raise CheckpointError("refused, because it holds an array of objects")
        flat = np.frombuffer(contents, dtype=dtype.numpy)
        # A copy, because what comes from a buffer cannot be written to.
        self.numpy = flat.reshape(shape, order="F" if is_fortran else "C").copy()


def _reconstruct(subtype: Any, shape: Any, kind: Any) -> PlainArray:
    return PlainArray()


def _scalar(dtype: PlainDtype, contents: bytes) -> Any:
    if not isinstance(dtype, PlainDtype) or not isinstance(contents, bytes):
        raise CheckpointError("refused, because it holds a number that is none")
    return np.frombuffer(contents, dtype=dtype.numpy)[0]


def _method(owner: Any, name: str) -> Any:
    if name not in METHODS.get(owner, ()):
        raise CheckpointError(
            f"refused, because it asks for {name!r} of {getattr(owner, '__name__', owner)}, "
            "which is not data: loading it could run code"
        )
    return getattr(owner, name)


def without_stand_ins(value: Any) -> Any:
    """The loaded value with arrays in place of their stand-ins."""
    if isinstance(value, PlainArray | PlainDtype):
        return value.numpy
    if isinstance(value, HistoryBuffer):
        state = vars(value)
        if not set(state) <= set(HISTORY):
            raise CheckpointError("refused, because it holds a HistoryBuffer of another make")
        state.update({name: without_stand_ins(state[name]) for name in state})
        return value
    if isinstance(value, dict):
        for key in value:  # in place: a state_dict is an OrderedDict with attributes
            value[key] = without_stand_ins(value[key])
        return value
    if isinstance(value, list):
        value[:] = [without_stand_ins(one) for one in value]
        return value
    if type(value) is tuple:
        return tuple(without_stand_ins(one) for one in value)
    return value


def _named(stand_in: Any, module: str, name: str) -> Any:
    """A stand-in under the name that a checkpoint asks for; torch looks it up by these."""
    if isinstance(stand_in, type):
        return type(name, (stand_in,), {"__module__": module, "__qualname__": name})

    def function(*args: Any) -> Any:
        return stand_in(*args)

    function.__module__, function.__name__, function.__qualname__ = module, name, name
    return function


#: For `torch.serialization.safe_globals`. numpy 2 renamed `core`; files of both are about.
STAND_INS: list[Any] = [
    HistoryBuffer,
    OneCycleParamScheduler,
    PlainArray,
    _named(PlainDtype, "numpy", "dtype"),
    _named(PlainArray, "numpy", "ndarray"),
    _named(_method, "builtins", "getattr"),
    *(
        _named(function, f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for function, name in ((_reconstruct, "_reconstruct"), (_scalar, "scalar"))
    ),
]
