"""Harmless stand-ins for types other than tensors in checkpoints.

Allowing `numpy.dtype` or `getattr` themselves would let a crafted file do more than provide data: a
dtype can be given flags that make NumPy interpret bytes as pointers, and `getattr` reaches any
attribute. A stand-in takes the same arguments and can only become a number, an array of numbers, or
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import CheckpointError

#: Booleans, integers, floats, complex numbers, bytes and text, in NumPy's notation.
PLAIN_DTYPE = re.compile(r"[|<>=]?[biufcSU]\d+")

#: Class of MMEngine -> its attributes that a checkpoint refers to by name.
METHODS = {
    "mmengine.logging.history_buffer.HistoryBuffer": ("min", "max", "current", "mean"),
    "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler": (
        "_annealing_cos",
        "_annealing_linear",
    ),
}


class PlainDtype:
    """Replaces `numpy.dtype`: plain numbers and text only.

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
        # (version, byte order, ...): the rest concerns structured types only.
        if len(state) > 1 and state[1] in ("<", ">", "=", "|"):
            self.numpy = self.numpy.newbyteorder(state[1])


class PlainArray:
    """Replaces `numpy.ndarray` between `_reconstruct` and its contents."""

    def __init__(self) -> None:
        self.numpy = np.zeros(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, contents = state
        contents = _bytes(contents)
        if not isinstance(dtype, PlainDtype) or not isinstance(contents, bytes):
            raise CheckpointError("refused, because it holds an array of objects")
        flat = np.frombuffer(contents, dtype=dtype.numpy)
        # A copy, because an array from a buffer is read-only.
        self.numpy = flat.reshape(shape, order="F" if is_fortran else "C").copy()


class LeftOut:
    """Replaces a class of MMEngine that is not needed: accepts any arguments, stores none.

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
    """Replaces `getattr`: returns the methods that MMEngine saves, and no other attribute.

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
    """A stand-in with the module and name under which torch looks it up."""
    if isinstance(stand_in, type):
        return type(name, (stand_in,), {"__module__": module, "__qualname__": name})

    def function(*args: Any) -> Any:
        return stand_in(*args)

    function.__module__, function.__name__, function.__qualname__ = module, name, name
    return function


def without_stand_ins(value: Any, inner: Callable[[Any], Any] | None = None) -> Any:
    """The loaded value with stand-ins replaced by arrays; containers are kept.

    Args:
        value: the loaded object.
        inner: function for the contents of a container; default: this function.
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
    """Contents as bytes; files of Python 2 have text, in Latin-1."""
    return contents.encode("latin-1") if isinstance(contents, str) else contents


def _scalar(dtype: PlainDtype, contents: bytes) -> Any:
    contents = _bytes(contents)
    if not isinstance(dtype, PlainDtype) or not isinstance(contents, bytes):
        raise CheckpointError("refused, because it holds a scalar that is not a number")
    return np.frombuffer(contents, dtype=dtype.numpy)[0]


#: For `torch.serialization.safe_globals`. NumPy 2 renamed `core`; both names are in use.
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

#: Types that MMEngine writes beside the weights, for reading only the weights.
MMENGINE_LEFT_OUT: list[Any] = [
    *(named(LeftOut, *name.rsplit(".", 1)) for name in METHODS),
    named(method, "builtins", "getattr"),
]

#: Types that other training tools write beside the weights: the arguments of the run.
LEFT_OUT: list[Any] = [named(LeftOut, "argparse", "Namespace")]
