"""benchmarks/zoo_export.py: a row a config, with what agrees or what is in the way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mmdet")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import zoo_export  # noqa: E402
import zoo_export_page  # noqa: E402
import zoo_model  # noqa: E402


@pytest.mark.slow
def test_a_config_agrees_or_says_what_is_in_the_way(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "zoo_export.py"), "mmdet/retinanet", "mmdet/detr"]
    command += ["--results", str(tmp_path), "--page", str(tmp_path / "page.md"), "--write"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    first = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip().splitlines()[-1] == "1 of 2 agree"
    text = (tmp_path / "page.md").read_text()
    assert "| `mmdet/retinanet/retinanet_r50-caffe_fpn_1x_coco.py` | ResNet | agrees: " in text
    assert "| DETR: is no single-stage or two-stage detector" in text
    again = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert "2 configs, 2 of them done before" in again.stdout


def test_the_usual_config_of_a_folder_is_taken(tmp_path):
    for name in ("x101.py", "net_r50_1x.py", "net_r101.py"):
        (tmp_path / name).touch()
    assert zoo_export.first_config(tmp_path).name == "net_r50_1x.py"


def test_the_families_configs_are_in_the_zoos():
    for name in zoo_export_page.FAMILIES.values():
        package, _, config = name.partition("/")
        assert (zoo_model.config_folder(package) / config).is_file(), name


def test_the_page_counts_folders_and_those_with_a_resnet(tmp_path):
    line = '{{"config": "{}", "outcome": "{}", "reason": "{}", "seconds": 1, "backbone": "{}"}}\n'
    rows = (
        ("mmdet/a/x.py", "agrees", "9 objects, 0 not in both", "ResNet"),
        ("mmdet/b/y.py", "refused", "its head", "ResNeXt"),
        ("mmdet/c/z.py", "agrees", "4 objects, 0 not in both", "Swin"),
        ("mmdet/d/w.py", "needs", "needs the package lap", ""),
        ("mmdet/e/v.py", "none", "no model", ""),
    )
    graphs = "".join(line.format(*row) for row in rows)
    (tmp_path / zoo_export_page.GRAPHS).write_text(graphs)
    faster = zoo_export_page.FAMILIES["Faster R-CNN"]
    files = line.format(faster, "agrees", "7 objects, 0 not in both", "ResNet")
    (tmp_path / zoo_export_page.FILES).write_text(files)
    page = zoo_export_page.format_page(tmp_path)
    assert "- all folders: 2 of 3 agree (67 %); 1 more need another package" in page
    assert "- with a ResNet: 1 of 2 agree (50 %)" in page
    assert f"| Faster R-CNN | `{faster}` | agrees: 7 objects" in page
    assert "| `mmdet/b/y.py` | ResNeXt | its head |" in page and "v.py" not in page
