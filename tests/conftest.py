"""What all tests share."""

import ctypes
import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# Tests run in several processes at once: with one thread each they do not compete for cores.
torch.set_num_threads(1)

# Nothing is remembered from one test to the next, nor in the user's folder for caches.
os.environ["RESBLOCK_CACHE"] = ""

# They hold no doctests, and looking for some imports several modules of one name.
collect_ignore_glob = ["*/conftest.py"]


MEMORY = 2 * 2**30  # bytes that a process with tests should not pass
GROWTH = 2**27  # bytes after which it is worth looking for what can be given back
IN_USE = pytest.StashKey[int]()
IMPORTED = pytest.StashKey[int]()  # modules at the last freeze
STATUS = Path("/proc/self/status")  # of Linux


def memory(line: str) -> int:
    """Bytes in use now ("VmRSS") or at most so far ("VmHWM"), 0 where the system does not tell."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    return next((int(one.split()[1]) * 1024 for one in lines if one.startswith(line)), 0)


@pytest.fixture(autouse=True)
def new_peak(request, record_property) -> Iterator[None]:
    """Note the tests in which their process took more memory than before, and more than MEMORY."""
    before = memory("VmHWM")
    yield
    after = memory("VmHWM")
    if after > max(before, MEMORY):
        record_property("peak", f"{after / 2**30:.1f} GiB: {request.node.nodeid}")


@pytest.fixture(autouse=True)
def no_log_of_an_earlier_run() -> Iterator[None]:
    """MMEngine's loggers write to the screen of their test, which is closed by the next one."""
    yield
    if "mmengine.logging" in sys.modules:
        sys.modules["mmengine.logging"].MMLogger._instance_dict.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    """Give back what a test leaves: compiled graphs, circles, memory that the C library keeps."""
    result = yield
    if memory("VmRSS") > item.config.stash.get(IN_USE, 0) + GROWTH:
        if "torch._dynamo" in sys.modules:
            torch.compiler.reset()
        gc.collect()
        if len(sys.modules) > item.config.stash.get(IMPORTED, 0) + 100:
            gc.freeze()  # what packages made when imported stays: looking through it takes long
            item.config.stash[IMPORTED] = len(sys.modules)
        if sys.platform == "linux":
            getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)
        item.config.stash[IN_USE] = memory("VmRSS")
    return result


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
    peaks = [
        value
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("")
        for name, value in report.user_properties
        if name == "peak" and report.when == "teardown"
    ]
    if peaks:
        terminalreporter.section("tests that took more than 2 GiB: use smaller networks")
        terminalreporter.write_line("\n".join(peaks))
    for family, count in total.items():
        terminalreporter.write_line(f"{family}: {equal[family]} of {count} equal")
