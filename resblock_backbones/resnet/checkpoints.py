"""Where a network's weights come from, as far as this room has to know.

The room of weights imports this one, to build the networks that checkpoints are of. What
``FlexResNet`` needs of it in return, it gives here when the package is imported.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Checkpoints:
    """What can be done with a checkpoint.

    Attributes:
        rename_keys: other families' names of a state dict in place, behind a prefix.
        load: ``load_weights``.
        build: ``FlexResNet.from_checkpoint``, given the class.
    """

    rename_keys: Callable[[MutableMapping[str, Any], str], None]
    load: Callable[..., Any]
    build: Callable[..., Any]


_given: list[Checkpoints] = []


def give(checkpoints: Checkpoints) -> None:
    """Say how checkpoints are read; the last one given counts."""
    _given[:] = [checkpoints]


def checkpoints() -> Checkpoints:
    """How checkpoints are read."""
    return _given[0]
