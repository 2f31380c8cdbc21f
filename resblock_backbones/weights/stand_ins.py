"""Harmless stand-ins for what checkpoints hold beside tensors.

A pickle names classes and functions, and loading calls them. Allowing even ``numpy.dtype`` or
``getattr`` themselves would let a crafted file reach further than data: a dtype can be given flags
that make numpy take bytes for pointers, and ``getattr`` reaches any attribute. A stand-in takes the
same arguments and can only become a number, an array of plain numbers, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import CheckpointError

#: Booleans, integers, floats, complex numbers, bytes and text, as numpy names them.
PLAIN_DTYPE = re.compile(r"[|<>=]?[biufcSU]\d+")


class PlainDtype:
    """For ``numpy.dtype``: plain numbers and text only.

    >>> PlainDtype("f8", False, True).numpy
    dtype('float64')
    >>> PlainDtype("O8")
    Traceback (most recent call last):
        ...
    resblock_backbones.weights.errors.CheckpointError: refused, because it holds an array of 'O8'
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
    """For ``numpy.ndarray`` on its way from ``_reconstruct`` to its contents."""

    def __init__(self) -> None:
        self.numpy = np.zeros(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, contents = state
        if isinstance(contents, str):  # written by Python 2, read as Latin-1
            contents = contents.encode("latin-1")
        if not isinstance(dtype, PlainDtype) or not isinstance(contents, bytes):
            raise CheckpointError("refused, because it holds an array of objects")
        flat = np.frombuffer(contents, dtype=dtype.numpy)
        # A copy, because what comes from a buffer cannot be written to.
        self.numpy = flat.reshape(shape, order="F" if is_fortran else "C").copy()


class Inert:
    """For an object whose contents nobody asks for: takes any state and keeps none."""

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def reconstruct_array(subtype: Any, shape: Any, kind: Any) -> PlainArray:
    """For numpy's ``_reconstruct``."""
    return PlainArray()


def plain_scalar(dtype: PlainDtype, contents: bytes | str) -> Any:
    """For numpy's ``scalar``."""
    if isinstance(contents, str):
        contents = contents.encode("latin-1")
    if not isinstance(dtype, PlainDtype) or not isinstance(contents, bytes):
        raise CheckpointError("refused, because it holds a number that is none")
    return np.frombuffer(contents, dtype=dtype.numpy)[0]


def _nothing(owner: Any, name: str) -> None:
    return None


def named(stand_in: Any, module: str, name: str) -> Any:
    """A stand-in under the name that a checkpoint asks for; torch looks it up by these."""
    if isinstance(stand_in, type):
        return type(name, (stand_in,), {"__module__": module, "__qualname__": name})

    def function(*args: Any) -> Any:
        return stand_in(*args)

    function.__module__, function.__name__, function.__qualname__ = module, name, name
    return function


#: numpy's numbers and arrays. numpy 2 renamed ``core``; files of both are about.
NUMPY_STAND_INS: list[Any] = [
    PlainArray,
    named(PlainDtype, "numpy", "dtype"),
    named(PlainArray, "numpy", "ndarray"),
    *(
        named(function, f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for function, name in ((reconstruct_array, "_reconstruct"), (plain_scalar, "scalar"))
    ),
]

#: What training tools save beside the weights: losses so far, a scheduler's method, arguments.
INERT_STAND_INS: list[Any] = [
    named(Inert, "mmengine.logging.history_buffer", "HistoryBuffer"),
    named(Inert, "mmengine.optim.scheduler.param_scheduler", "OneCycleParamScheduler"),
    named(Inert, "argparse", "Namespace"),
    named(_nothing, "builtins", "getattr"),
]


def without_stand_ins(value: Any) -> Any:
    """The loaded value with arrays in place of their stand-ins; mappings and lists as they were."""
    if isinstance(value, PlainArray | PlainDtype):
        return value.numpy
    if isinstance(value, Mapping):
        return {key: without_stand_ins(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_stand_ins(one) for one in value]
    return value
