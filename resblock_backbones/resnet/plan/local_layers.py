"""Layers in a plan that only the program that made them knows."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...options.errors import InputError


@dataclass(frozen=True)
class LocalLayer:
    """Stands in a stored plan for a layer that was given as a lambda or a local function.

    A pickle holds functions by the name under which they can be imported, which these have not. The
    modules that they built are in the network's pickle; the plan's entry only tells what was there.

    Example:
        >>> stored(lambda: None)
        LocalLayer(name='<lambda>')
        >>> stored(dict(type="GN", num_groups=2))
        {'type': 'GN', 'num_groups': 2}
    """

    name: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise InputError(
            f"{self.name}: the layer was a local function, which a file cannot hold; give a class "
            "or a function of a module"
        )


class StorablePlan:
    """A plan whose pickle leaves out local functions; it is immutable, so a copy is the plan."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: stored(value) for name, value in vars(self).items()}

    def __deepcopy__(self, memo: dict[int, Any]) -> StorablePlan:
        return self


def stored(value: Any) -> Any:
    """``value`` with a :class:`LocalLayer` for each callable that cannot be pickled."""
    if isinstance(value, Mapping):
        return {key: stored(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(stored(one) for one in value)
    if callable(value):
        try:
            pickle.dumps(value)
        except Exception:  # each kind of object has its own
            return LocalLayer(getattr(value, "__name__", type(value).__name__))
    return value
