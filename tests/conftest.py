"""What all tests share."""

import os
import sys
from collections import Counter

import pytest
import torch

# Tests run in several processes at once: one thread each is faster than a fight over the cores.
torch.set_num_threads(1)

# Nothing is remembered from one test to the next, nor in the user's folder for caches.
os.environ["RESBLOCK_CACHE"] = ""

# They hold no doctests, and looking for some imports several modules of one name.
collect_ignore_glob = ["*/conftest.py"]


@pytest.fixture
def fold_always(monkeypatch):
    """Fold small layers too, for which it does not pay, so that small tests test it."""
    folding = sys.modules["resblock_backbones.layers.folding.one_conv"]
    monkeypatch.setattr(folding, "_is_cheaper", lambda *arguments: True)


@pytest.fixture
def tally(record_property):
    """Count how many of a family were found equal; all tests' counts are printed at the end."""

    def count(family: str, equal: int, total: int) -> None:
        record_property("tally", (family, equal, total))

    return count


def pytest_terminal_summary(terminalreporter):
    equal, total = Counter(), Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in report.user_properties:
                if name == "tally" and report.when == "call":
                    equal[value[0]] += value[1]
                    total[value[0]] += value[2]
    for family, count in total.items():
        terminalreporter.write_line(f"{family}: {equal[family]} of {count} equal")
