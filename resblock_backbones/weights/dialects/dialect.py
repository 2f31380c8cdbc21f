"""A family of checkpoints: its names of a ResNet's tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from .folded import with_statistics, without_statistics
from .rules import Rule


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One family's names; the other modules of this folder are the tables.

    Attributes:
        name: of the family.
        landmark: how names of the first stage's convolutions end, by which a backbone is found in
            a detector.
        claims: whether a backbone's tensors, those behind the landmark's prefix, are of this
            family.
        part: how names of tensors of stem and stages begin.
        has_siblings: whether what has another name, in the same module, may be of the backbone.
        plain_stem, deep_stem: the rules of the two kinds of stem.
        rules: all others. The first rule that applies is used.
        deep_stem_mark: a name that only a deep stem has.
        left_out: names that its files hold and its networks do not.
        style: where the family's bottlenecks downsample; None where it has both kinds.
        channel_order: of the images that its ImageNet weights expect.
        folded_norms: running statistics are folded into weights and biases.
        numbers_identity: with ``avg_down``, a shortcut that keeps the size still counts the
            pooling that it does not need.
        options: of ``FlexResNet`` that all of its networks have, and weights do not show.
        signature: how names begin that only its networks have, where others without it may have
            the rest; ``options`` are a guess then.
        written_prefix: what its tools look for in front of a backbone's names.
        head: what its tools look for in front of a classifier's, where that is no part of the
            backbone.
    """

    name: str
    landmark: str
    claims: Callable[[Mapping[str, Tensor]], bool]
    part: str
    plain_stem: tuple[Rule, ...]
    deep_stem: tuple[Rule, ...]
    rules: tuple[Rule, ...]
    deep_stem_mark: str
    left_out: re.Pattern[str] | None = None
    style: Literal["pytorch", "caffe"] | None = "pytorch"
    channel_order: Literal["RGB", "BGR"] = "RGB"
    folded_norms: bool = False
    numbers_identity: bool = True
    has_siblings: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    signature: str = ""
    written_prefix: str = ""
    head: str = ""

    def to_ours(self, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Tensors under ``FlexResNet``'s names (and ``fc.*``), and the names without a rule."""
        rules = self._rules(self.deep_stem_mark in tensors)
        ours, unknown = {}, []
        for name, tensor in tensors.items():
            if self.left_out and self.left_out.fullmatch(name):
                continue
            renamed = next(filter(None, (rule.to_ours(name) for rule in rules)), None)
            if renamed is None:
                unknown.append(name)
            else:
                ours[renamed] = tensor
        if self.folded_norms and not _has_statistics(tensors):
            ours = with_statistics(ours)
        return (ours if self.numbers_identity else _count_identity(ours)), unknown

    def to_theirs(self, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """The inverse: tensors under the family's names, and the names it has no equivalent of."""
        rules = self._rules("stem.0.weight" in tensors)
        norm = "bn" if any(name.endswith("running_var") for name in tensors) else "gn"
        if self.folded_norms:
            tensors = without_statistics(tensors)
        if not self.numbers_identity:
            tensors = _drop_identity(tensors)
        theirs, unknown = {}, []
        for name, tensor in tensors.items():
            renamed = next(filter(None, (rule.to_theirs(name, norm) for rule in rules)), None)
            if renamed is None:
                unknown.append(name)
            else:
                theirs[renamed] = tensor
        return theirs, unknown

    def _rules(self, deep_stem: bool) -> tuple[Rule, ...]:
        return (self.deep_stem if deep_stem else self.plain_stem) + self.rules


def _has_statistics(tensors: Mapping[str, Tensor]) -> bool:
    """Whether Caffe2's norms are group norms, or have statistics in one of the spellings."""
    return any(name.endswith(STATISTICS) or "_gn_" in name for name in tensors)


STATISTICS = ("_rm", "_riv", "_running_mean", "_running_var")
FIRST_SHORTCUT = "layer1.0.residual."


def _averages(tensors: Mapping[str, Tensor]) -> bool:
    """Whether average pooling is the first layer of the shortcuts that downsample."""
    return any(name.endswith(".residual.2.weight") for name in tensors)


def _count_identity(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Number the first stage's shortcut as if there were a pooling before it."""
    if not _averages(tensors) or f"{FIRST_SHORTCUT}2.weight" in tensors:
        return tensors
    return {_shifted(name, 1): tensor for name, tensor in tensors.items()}


def _drop_identity(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    if not _averages(tensors) or f"{FIRST_SHORTCUT}0.weight" in tensors:
        return tensors
    return {_shifted(name, -1): tensor for name, tensor in tensors.items()}


def _shifted(name: str, by: int) -> str:
    if not name.startswith(FIRST_SHORTCUT):
        return name
    number, _, rest = name.removeprefix(FIRST_SHORTCUT).partition(".")
    return f"{FIRST_SHORTCUT}{int(number) + by}.{rest}"
