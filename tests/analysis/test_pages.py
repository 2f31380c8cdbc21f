"""Pages are one file that needs no other, and are written whole or not at all."""

import csv
import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resblock_backbones.analysis.data_set.plots import bars, histogram
from resblock_backbones.analysis.report import Report
from resblock_backbones.options.errors import InputError


def report():
    page = Report("A <b>title</b>", ["one & two"])
    page.finding("note", "a note")
    page.finding("error", "an error")
    page.finding("error", "an error")
    page.section("Part", "text")
    page.legend([("cat", (1, 2, 3)), ("255", None)])
    page.images([("images/a", Image.new("RGB", (20, 10)), "first")])
    page.table("t", ["name", "value"], [["x", 1 / 3], ["y", None]])
    page.plot("bars", bars(["猫", "$a_b$"], [1, 2], "objects"))
    return page


def test_a_page_needs_no_other_file_and_shows_what_is_worst_first(tmp_path):
    page = report().write(tmp_path / "out").read_text()
    assert page.index("an error") < page.index("a note") and page.count("an error") == 1
    assert "&lt;b&gt;" in page and "<b>title" not in page
    assert all(one.startswith("data:") for one in re.findall(r'src="([^"]*)"', page))
    assert "http" not in page


def test_each_part_is_a_file_too_and_numbers_are_not_rounded_there(tmp_path):
    report().write(tmp_path / "out")
    names = {str(one.relative_to(tmp_path / "out")) for one in (tmp_path / "out").rglob("*.*")}
    assert names == {"index.html", "images/a.png", "t.csv", "bars.png"}
    rows = list(csv.reader((tmp_path / "out/t.csv").open()))
    assert float(rows[1][1]) == 1 / 3 and rows[2][1] == ""


def test_what_is_there_is_replaced_only_if_asked(tmp_path):
    report().write(tmp_path / "out")
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(InputError, match="already exists; give another --out, or --force"):
        report().write(tmp_path / "out")
    report().write(tmp_path / "out", force=True)
    assert (tmp_path / "out/mine.txt").read_text() == "mine"
    with pytest.raises(InputError, match="is a file"):
        report().write(tmp_path / "out/mine.txt")


@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(exists, tmp_path, monkeypatch):
    if exists:
        report().write(tmp_path / "out")
    before = sorted(tmp_path.rglob("*"))
    write = Path.write_bytes

    def fail(file, content):
        if file.name == "t.csv":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, content)

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(InputError, match="No space left on device; nothing was written"):
        report().write(tmp_path / "out", force=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("values", [[], [0.0], [3.0], [1.0, 2.0, np.nan], range(100)])
@pytest.mark.parametrize("options", [{}, {"logarithmic": True}, {"whole": True}])
def test_histograms_take_any_numbers(values, options):
    assert histogram(values, "x", lines={"limit": 2.0}, **options).axes
