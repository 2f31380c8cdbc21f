"""The run of the zoos: what it chooses, what it keeps, what it writes."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def zoo():
    """The modules of the benchmark, which is no package."""
    sys.path.insert(0, str(BENCHMARKS))
    yield [importlib.import_module(name) for name in ("zoo_run", "zoo_table", "zoo_model")]
    sys.path.remove(str(BENCHMARKS))


def test_a_sample_has_one_config_of_each_folder_files_of_the_folder_itself_first(zoo):
    run, _, model = zoo
    chosen = run.choose([], 1)
    folders = ["/".join(name.split("/")[:2]) for name in chosen]
    assert len(set(folders)) == len(folders) > 100
    assert "mmdet/faster_rcnn" in folders and "mmseg/deeplabv3" in folders
    assert run.choose(["mmdet/rtmdet"], 1)[0].count("/") == 2
    assert len(run.choose(["mmdet/faster_rcnn"], 3)) == 3
    assert set(run.choose(["mmdet/faster_rcnn"], 3)) < set(run.choose(["mmdet/faster_rcnn"], None))
    with pytest.raises(ValueError, match="mmdet/fastest_rcnn: no such folder"):
        run.choose(["mmdet/fastest_rcnn"], None)


def test_the_page_tells_what_ran_and_why_not(zoo, tmp_path):
    _, table, _ = zoo
    lines = [
        '{"config": "mmdet/a/x.py", "outcome": "failed", "reason": "old", "seconds": 1}',
        '{"config": "mmdet/a/x.py", "outcome": "ran", "reason": "", "seconds": 1}',
        '{"config": "mmdet/b/y.py", "outcome": "needs", "reason": "needs lap", "seconds": 1}',
        '{"config": "mmdet/c/z.py", "outcome": "failed", "reason": "A | B", "seconds": 1}',
        '{"config": "mmdet/d/w.py", "outc',
    ]
    (tmp_path / "maintained.jsonl").write_text("\n".join(lines))
    page = table.format_page(tmp_path)
    assert "- mmdet: 1 of 2 ran (50 %); 1 more need another package or a download" in page
    assert "| `mmdet/a/x.py` | ran |" in page
    assert "| `mmdet/b/y.py` | needs lap |" in page
    assert "| `mmdet/c/z.py` | A \\| B |" in page and "w.py" not in page


def test_flexresnet_takes_the_place_of_every_resnet_and_of_no_other(zoo):
    from mmengine.config import ConfigDict

    _, _, model = zoo
    config = ConfigDict(
        detector={"backbone": {"type": "mmseg.ResNetV1d", "depth": 50}},
        teacher={"backbone": {"type": "Res2Net", "depth": 101}},
        other={"backbone": {"type": "mmpretrain.ResNet", "depth": 50}},
    )
    assert model.replace_backbones(config) == 1
    assert config.detector.backbone == {
        "type": "FlexResNet",
        "depth": 50,
        "deep_stem": True,
        "avg_down": True,
    }
    assert config.teacher.backbone.type == "Res2Net"


@pytest.mark.slow
def test_an_interrupted_run_goes_on_and_each_config_has_its_line(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "zoo_run.py"), "--results", str(tmp_path)]
    command += ["--sample", "1", "mmseg/erfnet", "mmdet/convnext"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    first = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert first.returncode == 0, first.stderr
    assert "mmseg: 1 of 1 ran (100 %)" in first.stdout
    assert "needs the package mmpretrain" in first.stdout

    (results,) = tmp_path.glob("*.jsonl")
    kept, removed = results.read_text().splitlines(keepends=True)
    results.write_text(kept + removed[:30])  # as if cut off while it wrote
    again = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert "2 configs, 1 of them done before" in again.stdout
    assert again.stdout.strip().splitlines()[-2:] == first.stdout.strip().splitlines()[-2:]


def test_a_folder_that_is_not_there_is_one_line(zoo, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["zoo_run.py", "--results", str(tmp_path), "x/y"])
    assert zoo[0].main() == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-1].startswith("error: x/y: no such folder")
