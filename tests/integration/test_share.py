"""What `resblock train` trained is shared, and predicts as config and checkpoint do."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mmseg.models")

from resblock_backbones import Predictor
from resblock_backbones.commands.front import run_command


@pytest.mark.slow
def test_a_trained_segmentor_is_shared_and_predicts_the_same(small_config, capsys):
    assert run_command("train", [small_config]) == 0
    assert run_command("share", ["work_dirs/deeplabv3", "--out", "shared"]) == 0
    assert "deeplabv3 (iter 4): shared" in capsys.readouterr().out
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    checkpoint = "work_dirs/deeplabv3/iter_4.pth"
    (theirs,), (ours,) = (
        predictor([image])
        for predictor in (Predictor(small_config, checkpoint), Predictor("shared"))
    )
    assert np.array_equal(ours.label_map, theirs.label_map)
    assert ours.classes == ("sky", "grass", "road") and ours.palette == theirs.palette
    stored = json.loads(Path("shared/config.json").read_text())
    (log,) = Path("work_dirs").rglob("scalars.json")
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    assert stored["metrics"]["mIoU"] == logged[-1]["mIoU"]
    assert run_command("predict", ["shared", "data/val", "--out", "predicted"]) == 0
