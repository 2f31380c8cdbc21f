"""The figures of the site show what their sources say."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def figures(monkeypatch):
    """The script that draws them, which is in no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import figures

    yield figures
    del sys.modules["figures"]


def test_the_drawn_figures_are_those_of_the_script(figures):
    assert (ROOT / "docs/figures/block.svg").read_text() == figures.block()
    assert (ROOT / "docs/figures/rooms.svg").read_text() == figures.rooms()


def test_the_plots_show_the_numbers_of_the_benchmarks(figures):
    page = (ROOT / "docs/folding.md").read_text()
    for name in ("MMDetection", "FlexResNet"):
        saved = [f"{figures.measured(depth)[name][1]:.0f}" for depth in (18, 50, 101)]
        assert f"{', '.join(saved)} with {name}" in page
