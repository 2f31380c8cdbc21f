"""What names in a pickle stand for that are no tensors: containers, numbers, arrays of numbers."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import CheckpointError
from .unpickler import Built, Maker, Stranger

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


class PlainDtype(Built):
    """For `numpy.dtype`: plain numbers and text, or None for anything else.

    >>> PlainDtype("f8", False, True).numpy, PlainDtype("O8").numpy
    (dtype('float64'), None)
    """

    __slots__ = ("numpy",)

    def __init__(self, name: Any = "f8", align: Any = False, copy: Any = True) -> None:
        known = isinstance(name, str) and PLAIN_DTYPE.fullmatch(name)
        self.numpy = np.dtype(name) if known else None

    @property
    def is_of_objects(self) -> bool:
        """Whether an array of it holds other objects, or records."""
        return self.numpy is None

    def set_state(self, state: Any) -> None:
        # (version, byte order, ...): all that follows is of use for structured types only.
        is_order = isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "=", "|")
        if is_order and self.numpy is not None:
            self.numpy = self.numpy.newbyteorder(state[1])


class PlainArray(Built):
    """For `numpy.ndarray` on its way from `_reconstruct` to its contents; None for objects'."""

    __slots__ = ("numpy",)

    def __init__(self) -> None:
        self.numpy: np.ndarray | None = None

    def set_state(self, state: Any) -> None:
        _, shape, dtype, is_fortran, contents = state
        self.numpy = _array(dtype, contents, shape, "F" if is_fortran else "C")


def _array(dtype: Any, contents: Any, shape: Any, order: Any) -> np.ndarray | None:
    contents = contents.encode("latin-1") if isinstance(contents, str) else contents
    if not isinstance(dtype, PlainDtype) or dtype.numpy is None:
        return None
    if not isinstance(contents, bytes | bytearray):
        raise CheckpointError("damaged: it holds an array without its numbers")
    flat = np.frombuffer(contents, dtype=dtype.numpy)
    # A copy, because what comes from a buffer cannot be written to.
    return flat.reshape(shape, order=order).copy()


def _from_buffer(contents: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> PlainArray:
    array = PlainArray()
    array.numpy = _array(dtype, contents, shape, order)
    return array


def _scalar(dtype: Any, contents: Any) -> Any:
    one = _array(dtype, contents, (), "C")
    return Stranger("numpy.scalar") if one is None else one[()]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """For ``_codecs.encode``, by which old protocols write bytes."""
    return text.encode("latin-1")


def _bytearray(*values: Any) -> bytearray:
    if values and isinstance(values[0], int):  # of that length
        raise CheckpointError("damaged: it asks for memory without saying what is in it")
    return bytearray(_encode(*values) if values and isinstance(values[0], str) else values[0])


def _pairs(*values: Any) -> dict[Any, Any]:
    """A mapping of whatever is given, without factories."""
    return dict(values[-1]) if values and isinstance(values[-1], dict | list | tuple) else {}


def _ordered(*values: Any) -> OrderedDict[Any, Any]:
    return OrderedDict(_pairs(*values))


def _instance(maker: Any, *values: Any) -> Any:
    """An object by its class alone, as old protocols make it."""
    if not isinstance(maker, Maker) or maker.make is None:
        raise CheckpointError("damaged: it makes an object without a class")
    return maker.make(*values)


def _old_instance(maker: Any, base: Any = None, state: Any = None) -> Any:
    return _instance(maker, state)


def _attribute(owner: Any, name: Any) -> Maker:
    """For `getattr`: a word for what is meant; nothing is looked up, and it cannot be called."""
    known = owner.name if isinstance(owner, Maker) else repr(owner)
    allowed = METHODS.get(known, ()) if known in METHODS else None
    is_ours = isinstance(owner, Maker) and not owner.is_class
    if not isinstance(name, str) or is_ours or (allowed is not None and name not in allowed):
        raise CheckpointError(
            f"refused, because it asks for {name!r} of {known}, which is not data: loading it "
            "could run code"
        )
    return Maker(f"{known}.{name}", None)


_NUMPY_CORES = ("numpy.core", "numpy._core")

#: What every pickle of data may name.
PLAIN_VALUES: Mapping[tuple[str, str], Maker] = {
    (module, name): Maker(f"{module}.{name}", make, is_class=False)
    for (module, name), make in {
        ("collections", "OrderedDict"): _ordered,
        ("collections", "defaultdict"): _pairs,
        ("collections", "Counter"): _pairs,
        ("collections", "deque"): lambda items=(), *_: list(items),
        ("builtins", "dict"): _pairs,
        ("builtins", "list"): lambda items=(): list(items),
        ("builtins", "tuple"): lambda items=(): tuple(items),
        ("builtins", "set"): lambda items=(): set(items),
        ("builtins", "frozenset"): lambda items=(): set(items),
        ("builtins", "complex"): lambda real=0.0, imaginary=0.0: complex(real, imaginary),
        ("builtins", "bytes"): lambda *values: bytes(_bytearray(*values)) if values else b"",
        ("builtins", "bytearray"): lambda *values: _bytearray(*values) if values else bytearray(),
        ("builtins", "getattr"): _attribute,
        ("_codecs", "encode"): _encode,
        ("copyreg", "_reconstructor"): _old_instance,
        ("copy_reg", "_reconstructor"): _old_instance,
        ("copyreg", "__newobj__"): _instance,
        ("copy_reg", "__newobj__"): _instance,
        ("numpy", "dtype"): PlainDtype,
        **{
            (f"{core}.{place}", name): make
            for core in _NUMPY_CORES
            for place, name, make in (
                ("multiarray", "_reconstruct", lambda *_: PlainArray()),
                ("multiarray", "scalar", _scalar),
                ("numeric", "_frombuffer", _from_buffer),
            )
        },
    }.items()
} | {("numpy", "ndarray"): Maker("numpy.ndarray", lambda *_: PlainArray())}


def finished(value: Any, more: Callable[[Any], Any] | None = None) -> Any:
    """The loaded value with arrays in place of what they were built by; containers are kept.

    Args:
        value: what was loaded.
        more: called for values that are no containers; what it gives counts.
    """
    memo: dict[int, Any] = {}

    def finish(one: Any) -> Any:
        if isinstance(one, PlainArray | PlainDtype):
            return Stranger("an array of objects") if one.numpy is None else one.numpy
        if isinstance(one, Maker):
            return Stranger(one.name) if more is None else more(one)
        if isinstance(one, dict | list):
            if id(one) not in memo:
                memo[id(one)] = one  # in place: a state_dict is an OrderedDict with attributes
                keys = dict.items(one) if isinstance(one, dict) else enumerate(one)
                for key, item in list(keys):
                    one[key] = finish(item)
            return one
        if type(one) is tuple:
            if id(one) not in memo:
                # The tuple itself is kept alive beside its id.
                memo[id(one)] = (tuple(finish(item) for item in one), one)
            return memo[id(one)][0]
        return one if more is None else more(one)

    return finish(value)
