"""All tensors of a checkpoint, at any depth of mappings and lists; the path is the prefix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from ..errors import CheckpointError, printable
from ..reading.unpickler import Stranger

#: What compiling, sharding and recomputing put into names.
WRAPPERS = re.compile(
    r"(?:(?<=\.)|^)(?:_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)\."
)
#: Deeper than any training script nests, and far from Python's own limit.
DEEPEST = 64
#: More than any network has; a small file can refer to one container very often.
MOST_TENSORS = 200_000


@dataclass(frozen=True)
class Named:
    """A tensor of a checkpoint.

    Attributes:
        tensor: itself, detached.
        container: the path of the mapping or list that holds it, ``''`` or with a dot at the end.
    """

    tensor: Tensor
    container: str


def named_tensors(content: Mapping[Any, Any], name: str) -> dict[str, Named]:
    """Every tensor and array of numbers by its path.

    Args:
        content: of a checkpoint, mappings and lists in any order.
        name: of the checkpoint, for messages.

    Raises:
        CheckpointError: there is none, two have one path, or the nesting has no end.

    Example:
        >>> held = {"epoch": 3, "nets": [{"fc.weight": torch.zeros(2)}]}
        >>> list(named_tensors(held, "mine"))
        ['nets.0.fc.weight']
    """
    tensors: dict[str, Named] = {}
    for container, key, tensor in _walk(content, "", name, set(), []):
        path = WRAPPERS.sub("", container + key)
        if path in tensors:
            raise CheckpointError(f"{name}: two of its tensors are called {path}")
        if len(tensors) >= MOST_TENSORS:
            raise CheckpointError(f"{name}: names more than {MOST_TENSORS:,} tensors")
        tensors[path] = Named(tensor, WRAPPERS.sub("", container))
    if not tensors:
        held = ", ".join(repr(str(key)[:40]) for key in list(content)[:3]) or "nothing"
        left_out = _left_out(content)
        raise CheckpointError(
            f"{name}: holds no tensors (it holds {held})"
            + (f"; refused, because they are not data, are {left_out}" if left_out else "")
        )
    return tensors


def memory_of(tensor: Tensor) -> Any:
    """What two names of one tensor have in common, and no two tensors.

    >>> one = torch.zeros(2, 3)
    >>> memory_of(one) == memory_of(one.detach()), memory_of(one) == memory_of(one.t())
    (True, False)
    """
    if tensor.layout != torch.strided or tensor.is_meta or not tensor.numel():
        return id(tensor)
    return tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()


def _walk(
    value: Any, path: str, name: str, without: set[int], above: list[int]
) -> Iterator[tuple[str, str, Tensor]]:
    """Containers' paths, keys in them and tensors.

    Args:
        value: a mapping or a list.
        path: of it.
        name: of the checkpoint.
        without: ids of containers that hold no tensor; they are not looked into again.
        above: ids of the containers around this one.
    """
    if id(value) in without or id(value) in above:
        return
    if len(above) >= DEEPEST:
        raise CheckpointError(f"{name}: its containers are nested more than {DEEPEST} deep")
    any_found = False
    pairs = dict.items(value) if isinstance(value, dict) else _pairs(value)
    for key, one in pairs:
        tensor = _as_tensor(one)
        if tensor is not None:
            any_found = True
            yield path, _text(key), tensor
        elif isinstance(one, Mapping | list | tuple) and one:
            inner = f"{path}{_text(key)}."
            for found in _walk(one, inner, name, without, [*above, id(value)]):
                any_found = True
                yield found
    if not any_found:
        without.add(id(value))


def _text(key: Any) -> str:
    """A key as a part of a name; pickles of Python 2 may hold bytes for text."""
    return printable(key.decode("latin-1") if isinstance(key, bytes) else str(key))


def _left_out(content: Mapping[Any, Any]) -> str:
    """What stands where objects were that are no data."""
    strangers = [one for one in dict(content).values() if isinstance(one, Stranger)]
    return ", ".join(one.name for one in strangers[:3])


def _pairs(value: Any) -> Any:
    return value.items() if isinstance(value, Mapping) else enumerate(value)


def _as_tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        # Of a layer that never ran, or tensors of several sizes: neither has a shape.
        return None if is_lazy(value) or value.is_nested else value.detach()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        return None
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:
        value = value.astype(np.float64)
    # Big-endian numbers and reversed axes are numpy's alone.
    plain = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("="))
    return torch.from_numpy(plain.reshape(value.shape))
