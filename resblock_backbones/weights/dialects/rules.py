"""Two-way rules: a tensor's name in another family, and its name in ``FlexResNet``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Field:
    """A variable part of a name.

    Attributes:
        meaning: its meaning; fields of the same meaning on both sides of a rule are translated.
        pattern: regular expression of its text.
        read: converts its text to that of ``FlexResNet``.
        write: the inverse.
    """

    meaning: str
    pattern: str
    read: Callable[[str], str] = str
    write: Callable[[str], str] = str


def _words(meaning: str, pairs: dict[str, str]) -> Field:
    back = {ours: theirs for theirs, ours in pairs.items()}
    return Field(meaning, "|".join(pairs), pairs.__getitem__, lambda text: back.get(text, ""))


def _above_first(stage: str) -> str:
    return "" if stage == "1" else str(int(stage) - 1)


def _numbered_from(first: int) -> Field:
    """Stages that are numbered on from ``first``."""
    return Field(
        "stage",
        rf"[{first}-{first + 3}]",
        lambda text: str(int(text) - first + 1),
        lambda stage: str(int(stage) + first - 1),
    )


#: Fields by the name that stands for them in a rule.
FIELDS = {
    "stage": Field("stage", r"[1-9]\d*"),
    # ResNet's paper counts the stem as the first stage.
    "res": Field("stage", r"[2-9]", lambda text: str(int(text) - 1), lambda n: str(int(n) + 1)),
    # Counted from 0, as lists of modules are; all stages, and all but the first.
    "index": Field("stage", r"\d", lambda text: str(int(text) + 1), lambda n: str(int(n) - 1)),
    "later": Field("stage", r"[1-9]", lambda text: str(int(text) + 1), _above_first),
    # Numbered as members of one sequence, behind what the stem has there.
    **{f"from{first}": _numbered_from(first) for first in (1, 2, 3, 4)},
    "block": Field("block", r"\d+"),
    "conv": Field("conv", r"[1-3]"),
    "layer": Field("conv", r"[0-2]", lambda text: str(int(text) + 1), lambda n: str(int(n) - 1)),
    "abc": _words("conv", {"a": "1", "b": "2", "c": "3"}),
    "param": Field("param", r"weight|bias|running_mean|running_var|num_batches_tracked"),
    # All spellings of Caffe2's; the last of a meaning is the one that is written.
    "affine": _words(
        "param",
        {
            "gamma": "weight",
            "beta": "bias",
            "running_mean": "running_mean",
            "running_var": "running_var",
            "s": "weight",
            "b": "bias",
            "rm": "running_mean",
            "riv": "running_var",
        },
    ),
    "wb": _words("param", {"w": "weight", "b": "bias"}),
    # Named after the kind of norm, unlike in ``FlexResNet``.
    "norm": Field("norm", r"bn|gn|in|ln|norm_layer|norm"),
    "rest": Field("rest", r".+"),
}


@dataclass(frozen=True)
class Rule:
    """Two names of one tensor, with fields in braces.

    Args:
        theirs: the other family's name.
        ours: ``FlexResNet``'s; None if it is the same.
        reads_only: the rule is used for reading only; the family itself does not use the name.

    Example:
        >>> rule = Rule("res{res}.{block}.conv{conv}.norm.{param}",
        ...             "layer{stage}.{block}.bn{conv}.{param}")
        >>> rule.to_ours("res2.0.conv3.norm.weight")
        'layer1.0.bn3.weight'
        >>> rule.to_theirs("layer4.1.bn2.bias")
        'res5.1.conv2.norm.bias'
        >>> rule.to_ours("stem.conv1.weight") is None
        True
    """

    theirs: str
    ours: str | None = None
    reads_only: bool = False

    def to_ours(self, name: str) -> str | None:
        """``FlexResNet``'s name, or None if the rule does not apply."""
        found = self._their_pattern.fullmatch(name)
        if found is None:
            return None
        values = {
            FIELDS[field].meaning: FIELDS[field].read(text)
            for field, text in found.groupdict().items()
        }
        return _fill(self.ours or self.theirs, values)

    def to_theirs(self, name: str, norm: str = "bn") -> str | None:
        """The family's name, or None; ``norm`` is its name of the network's kind of norm."""
        found = None if self.reads_only else self._our_pattern.fullmatch(name)
        if found is None:
            return None
        values = {FIELDS[field].meaning: text for field, text in found.groupdict().items()}
        return _fill(self.theirs, {"norm": norm, **values})

    @cached_property
    def _their_pattern(self) -> re.Pattern[str]:
        return _pattern(self.theirs)

    @cached_property
    def _our_pattern(self) -> re.Pattern[str]:
        return _pattern(self.ours or self.theirs)


def _pattern(template: str) -> re.Pattern[str]:
    """A regular expression with one named group per field."""
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile(
        "".join(
            f"(?P<{part}>{FIELDS[part].pattern})" if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )
    )


def _fill(template: str, values: dict[str, str]) -> str | None:
    """The name of a template with these values; None if a field has no such value."""
    name = template
    for field in re.findall(r"\{(\w+)\}", template):
        text = FIELDS[field].write(values[FIELDS[field].meaning])
        if not text:
            return None
        name = name.replace("{" + field + "}", text)
    return name
