"""benchmarks/zoo_export.py: a row a folder, with what agrees or what is in the way."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("mmdet")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import zoo_export  # noqa: E402


@pytest.mark.slow
def test_a_folder_agrees_or_says_what_is_in_the_way(tmp_path, capsys):
    page = tmp_path / "page.md"
    assert zoo_export.main(["mmdet/retinanet", "mmdet/detr", "--out", str(page)]) == 0
    assert "1 of 2 agree" in capsys.readouterr().err
    text = page.read_text()
    assert "| mmdet/retinanet |" in text and "agrees: " in text
    assert "DETR: is no single-stage or two-stage detector" in text


def test_the_usual_config_of_a_folder_is_taken(tmp_path):
    for name in ("x101.py", "net_r50_1x.py", "net_r101.py"):
        (tmp_path / name).touch()
    assert zoo_export.first_config(tmp_path).name == "net_r50_1x.py"
