"""Harmless stand-ins for the few things beside tensors that checkpoints hold.

Allowing `numpy.dtype` or `getattr` themselves would let a crafted file reach further than data:
a dtype can be given flags that make numpy take bytes for pointers, and `getattr` reaches any
attribute. A stand-in takes the same arguments and can only become a number, an array of
numbers, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import CheckpointError

#: Booleans, integers, floats, complex numbers, bytes and text, as numpy names them.
PLAIN_DTYPE = re.compile(r"[|<>=]?[biufcSU]\d+")

#: Class of MMEngine's -> the attributes of it that a checkpoint holds by name.
METHODS = {
    "mmengine.logging.history_buffer.HistoryBuffer": ("min", "max", "current", "mean"),
    "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler": (
        "_annealing_cos",
        "_annealing_linear",
    ),
}


class PlainDtype:
    """For `numpy.dtype`: plain numbers and text only.

    >>> PlainDtype("f8", False, True).numpy
    dtype('float64')
    >>> PlainDtype("O8")
    Traceback (most recent call last):
        ...
    resblock_backbones.weights.errors.CheckpointError: refused, because it holds an array of 'O8', \
not of numbers
    """

    def __init__(self, name: str = "f8", align: bool = False, copy: bool = True) -> None:
        if not isinstance(name, str) or not PLAIN_DTYPE.fullmatch(name):
            raise CheckpointError(f"refused, because it holds an array of {name!r}, not of numbers")
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
        contents = _bytes(contents)
        if not isinstance(dtype, PlainDtype) or not isinstance(contents, bytes):
            raise CheckpointError("refused, because it holds an array of objects")
        flat = np.frombuffer(contents, dtype=dtype.numpy)
        # A copy, because what comes from a buffer cannot be written to.
        self.numpy = flat.reshape(shape, order="F" if is_fortran else "C").copy()


class LeftOut:
    """For a class of MMEngine's whose objects are beside the weights: takes anything, keeps none.

    >>> LeftOut([0.5], count=3)
    LeftOut()
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __repr__(self) -> str:
        return "LeftOut()"


def method(owner: Any, name: str) -> Any:
    """For `getattr`: the methods that MMEngine saves, and no other attribute of anything.

    >>> method(dict, "__init__")
    Traceback (most recent call last):
        ...
    resblock_backbones.weights.errors.CheckpointError: refused, because it asks for '__init__' of \
dict, which is not data: loading it could run code
    """
    known = isinstance(owner, type) and METHODS.get(f"{owner.__module__}.{owner.__qualname__}")
    if not known or name not in known:
        raise CheckpointError(
            f"refused, because it asks for {name!r} of {getattr(owner, '__name__', owner)}, "
            "which is not data: loading it could run code"
        )
    return getattr(owner, name, None)


def named(stand_in: Any, module: str, name: str) -> Any:
    """A stand-in under the name that a checkpoint asks for; torch looks it up by these."""
    if isinstance(stand_in, type):
        return type(name, (stand_in,), {"__module__": module, "__qualname__": name})

    def function(*args: Any) -> Any:
        return stand_in(*args)

    function.__module__, function.__name__, function.__qualname__ = module, name, name
    return function


def without_stand_ins(value: Any, inner: Callable[[Any], Any] | None = None) -> Any:
    """The loaded value with arrays in place of their stand-ins; containers are kept.

    Args:
        value: what was loaded.
        inner: what to call for the contents of a container; default: this function.
    """
    inner = inner or without_stand_ins
    if isinstance(value, PlainArray | PlainDtype):
        return value.numpy
    if isinstance(value, dict):
        for key in value:  # in place: a state_dict is an OrderedDict with attributes
            value[key] = inner(value[key])
        return value
    if isinstance(value, list):
        value[:] = [inner(one) for one in value]
        return value
    if type(value) is tuple:
        return tuple(inner(one) for one in value)
    return value


def _reconstruct(subtype: Any, shape: Any, kind: Any) -> PlainArray:
    return PlainArray()


def _bytes(contents: Any) -> Any:
    """What Python 2 wrote comes as text, read as Latin-1."""
    return contents.encode("latin-1") if isinstance(contents, str) else contents


def _scalar(dtype: PlainDtype, contents: bytes) -> Any:
    contents = _bytes(contents)
    if not isinstance(dtype, PlainDtype) or not isinstance(contents, bytes):
        raise CheckpointError("refused, because it holds a number that is none")
    return np.frombuffer(contents, dtype=dtype.numpy)[0]


#: For `torch.serialization.safe_globals`. numpy 2 renamed `core`; files of both are about.
NUMPY: list[Any] = [
    PlainArray,
    named(PlainDtype, "numpy", "dtype"),
    named(PlainArray, "numpy", "ndarray"),
    *(
        named(function, f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for function, name in ((_reconstruct, "_reconstruct"), (_scalar, "scalar"))
    ),
]

#: What MMEngine writes beside the weights, for those who only want the weights.
MMENGINE_LEFT_OUT: list[Any] = [
    *(named(LeftOut, *name.rsplit(".", 1)) for name in METHODS),
    named(method, "builtins", "getattr"),
]

#: What other training tools write beside the weights: the arguments of the run.
LEFT_OUT: list[Any] = [named(LeftOut, "argparse", "Namespace")]
