"""What docs/deploy.md shows works, from the first line to the last."""

import importlib.util
import re
from pathlib import Path

import pytest

from resblock_backbones.commands.front import main

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "docs/deploy.md").read_text(), re.M | re.S)
HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))


def test_every_block_runs(tmp_path, monkeypatch):
    pytest.importorskip("mmdet")
    monkeypatch.chdir(tmp_path)
    for folder in ("configs", "tools"):
        Path(folder).symlink_to(ROOT / folder)
    names: dict[str, object] = {}
    for language, block in BLOCKS:
        if language == "python" and (HAS_ONNX or "onnxruntime" not in block):
            exec(block, names)
        for line in block.splitlines() if language == "sh" else ():
            if HAS_ONNX or not line.endswith("onnx"):
                assert main(line.split()[1:]) == 0
    written = {file.name for file in Path().iterdir()}
    assert {"r18.pt2", "backbone.pt", "backbone.pt2"} <= written
    assert ("backbone.onnx" in written) == HAS_ONNX
    assert [map.shape[1] for map in names["maps"]] == [64, 128, 256, 512]
    assert [tuple(feature.shape[2:]) for feature in names["features"]] == [
        (224 // stride, 224 // stride) for stride in (4, 8, 16, 32)
    ]
