"""The functions of ``weights`` that ``FlexResNet`` needs.

``weights`` imports ``resnet``, to build networks from checkpoints. To avoid an import in the other
direction, it registers its functions here when the package is imported.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Checkpoints:
    """Functions on checkpoints.

    Attributes:
        rename_keys: rename other families' keys of a state dict in place, after a prefix.
        load: ``load_weights``.
        build: ``FlexResNet.from_checkpoint``, given the class.
    """

    rename_keys: Callable[[MutableMapping[str, Any], str], None]
    load: Callable[..., Any]
    build: Callable[..., Any]


_given: list[Checkpoints] = []


def register(checkpoints: Checkpoints) -> None:
    """Register the functions; the last call counts."""
    _given[:] = [checkpoints]


def checkpoints() -> Checkpoints:
    """The registered functions."""
    return _given[0]
