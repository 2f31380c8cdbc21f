"""The tools that compare exported models with the models: their configs, results and tables."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
pytest.importorskip("onnxruntime")

import exported_models  # noqa: E402
import exported_speed  # noqa: E402
from exported_families import CONFIGS, FAMILIES, schedule, write_config  # noqa: E402


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_is_a_config_with_its_own_head(name, tmp_path):
    config = pytest.importorskip("mmengine.config").Config
    family = FAMILIES[name]
    write_config(name, tmp_path / "a.py", schedule(family, tmp_path / "shapes", 40))
    cfg = config.fromfile(tmp_path / "a.py")
    assert cfg.train_cfg.max_iters == 40 and cfg.default_hooks.checkpoint.interval == 40
    for split in ("train", "val", "test"):
        assert cfg[f"{split}_dataloader"].dataset.data_root == f"{tmp_path}/shapes/"
    changed = family.model.get("bbox_head", family.model.get("decode_head"))
    if changed is not None:
        head = cfg.model.get("bbox_head") or cfg.model.decode_head
        assert head.type == changed["type"]
    if family.segments:
        assert cfg.model.data_preprocessor.size == (96, 96)


def test_the_cases_of_the_speed_table_are_shipped():
    assert all((CONFIGS / case.config).is_file() for case in exported_speed.CASES.values())


def test_what_is_done_is_not_done_again_and_becomes_a_table(tmp_path):
    pytest.importorskip("openvino")
    store = tmp_path / "results.jsonl"
    scores = {"PyTorch": 0.5, "ONNX Runtime": 0.5, "OpenVINO": 0.498}
    engine = {"objects": 180, "odd": 3, "box": 0.25, "fault": None}
    results = [
        {
            "family": "FCOS",
            "kind": "trained",
            "iterations": 7,
            "scores": {way: {"box mAP": value} for way, value in scores.items()},
        },
        {
            "family": "FCOS",
            "kind": "random",
            "images": 13,
            "without objects": 4,
            "more than K": 9,
            "ONNX Runtime": engine,
            "OpenVINO": engine | {"odd": 5},
        },
    ]
    store.write_text("".join(json.dumps(one) + "\n" for one in results))
    page = ["--results", str(tmp_path), "--page", str(tmp_path / "page.md"), "--write"]
    assert exported_models.main(["--only", "FCOS", *page]) == 0
    text = (tmp_path / "page.md").read_text()
    assert "| FCOS | 7 | box mAP | 0.5000 | 0.5000 | 0.4980 | 0.0020 |" in text
    assert "| FCOS | 13 | 4 | 9 | 180 | 3 | 5 | 0.2500 |" in text


def test_speed_is_told_with_quartiles_and_against_the_first(tmp_path):
    pytest.importorskip("openvino")
    given = exported_speed._parse(["--rounds", "3"])
    times = {"PyTorch": [0.2, 0.2, 0.4], "OpenVINO": [0.1, 0.1, 0.1]}
    rows = {"RetinaNet, shapes": times, "DeepLabV3+, shapes": times}
    objects = {"RetinaNet, shapes": 40, "DeepLabV3+, shapes": 0}
    text = "\n".join(exported_speed.section(rows, objects, given))
    assert "| DeepLabV3+, shapes | 160x160 |  | OpenVINO |" in text
    assert "| RetinaNet, shapes | 160x160 | 40 | OpenVINO | 100.0 | 100.0 to 100.0 | 2.00 |" in text
