"""A checkpoint is data: MMEngine's own load, and nothing in a file is ever run."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from resblock_backbones import CheckpointError


def test_what_mmengine_writes_is_loaded(tmp_path):
    history = HistoryBuffer([0.5, 0.25], [1, 1])
    content = {
        "state_dict": {"weight": torch.arange(3.0)},
        "message_hub": {"log_scalars": {"train/loss": history}, "seed": np.float64(0.5)},
        "meta": {"epoch": 3, "times": np.arange(4)},
    }
    torch.save(content, tmp_path / "epoch_3.pth")
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / "epoch_3.pth"), logger="silent")
    assert torch.equal(loaded["state_dict"]["weight"], torch.arange(3.0))
    assert loaded["meta"]["epoch"] == 3 and list(loaded["meta"]["times"]) == [0, 1, 2, 3]
    again = loaded["message_hub"]["log_scalars"]["train/loss"]
    assert isinstance(again, HistoryBuffer) and again.data[0].tolist() == [0.5, 0.25]


class RunsCode:
    def __reduce__(self):
        return (print, ("this must never be printed",))


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_file_that_would_run_code_is_refused_and_nothing_runs(tmp_path, capfd, how):
    path = tmp_path / "evil.pth"
    content = {"state_dict": {"weight": torch.zeros(1)}, "meta": RunsCode()}
    if how == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content["meta"], protocol=2))
    with pytest.raises(CheckpointError, match="evil.pth"):
        CheckpointLoader.load_checkpoint(str(path), logger="silent")
    assert "never" not in "".join(capfd.readouterr())
