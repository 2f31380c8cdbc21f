"""The report of loading: which tensors matched."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadReport:
    """The result for each tensor.

    Attributes:
        matched: names of the network's tensors that were loaded.
        missing: names of the network's tensors that the checkpoint lacks.
        unexpected: names in the checkpoint that the network lacks.
        reshaped: names in both, of different shapes.
        adapted: changes of tensors to make them fit, a sentence each.
        dialect: the family whose names the checkpoint has.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]
    adapted: tuple[str, ...] = ()
    dialect: str = ""

    def __str__(self) -> str:
        total = len(self.matched) + len(self.missing) + len(self.reshaped)
        text = f"{len(self.matched)} of {total} tensors matched"
        for label in ("missing", "reshaped", "unexpected"):
            names = getattr(self, label)
            if names:
                more = ", ..." if len(names) > 3 else ""
                text += f"; {len(names)} {label} ({', '.join(names[:3])}{more})"
        return text
