"""A checkpoint is data: MMEngine's own load, and nothing in a file is ever run."""

import builtins
import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MMLogger
from mmengine.optim import OptimWrapper
from mmengine.optim.scheduler import OneCycleLR
from mmengine.runner import CheckpointLoader

from resblock_backbones import CheckpointError, FlexResNet, load_weights


def load(path):
    return CheckpointLoader.load_checkpoint(str(path), logger="silent")


def what_mmengine_saves():
    """A checkpoint with one of everything that MMEngine writes beside plain values."""
    net = FlexResNet(18, width=0.25)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    schedule = OneCycleLR(OptimWrapper(optimizer), eta_max=0.1, total_steps=4)
    return {
        "state_dict": {f"backbone.{name}": value for name, value in net.state_dict().items()},
        "message_hub": {
            "log_scalars": {"train/loss": HistoryBuffer([0.5, 0.25], [1, 1])},
            "runtime_info": {"best_score": np.float64(0.5), "classes": ("cat", "dog")},
        },
        "meta": {"epoch": 3, "times": np.arange(4), "names": np.array(["a", "bc"])},
        "optimizer": optimizer.state_dict(),
        "param_schedulers": [schedule.state_dict()],
    }


def test_what_mmengine_writes_is_loaded(tmp_path):
    saved = what_mmengine_saves()
    torch.save(saved, tmp_path / "epoch_3.pth")
    loaded = load(tmp_path / "epoch_3.pth")
    assert all(
        torch.equal(value, loaded["state_dict"][name])
        for name, value in saved["state_dict"].items()
    )
    assert loaded["meta"]["epoch"] == 3 and list(loaded["meta"]["times"]) == [0, 1, 2, 3]
    assert loaded["meta"]["names"].tolist() == ["a", "bc"]
    assert loaded["message_hub"]["runtime_info"] == saved["message_hub"]["runtime_info"]
    again = loaded["message_hub"]["log_scalars"]["train/loss"]
    assert isinstance(again, HistoryBuffer) and again.data[0].tolist() == [0.5, 0.25]
    assert again.mean(2) == pytest.approx(0.375)
    assert loaded["param_schedulers"] == saved["param_schedulers"]


def test_a_backbone_takes_its_weights_from_such_a_checkpoint(tmp_path):
    saved = what_mmengine_saves()
    torch.save(saved, tmp_path / "epoch_3.pth")
    net = FlexResNet(18, width=0.25)
    assert load_weights(net, tmp_path / "epoch_3.pth").missing == ()
    assert torch.equal(net.conv1.weight, saved["state_dict"]["backbone.conv1.weight"])


class Calls:
    """Pickled as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


COMMAND = "open('ran', 'w').close()"

# What a file may try -> (a name that the message has to tell, the object or the pickle itself).
ATTACKS = {
    "builtin": ("exec", Calls(exec, COMMAND)),
    "shell": (f"{os.system.__module__}.system", Calls(os.system, "touch ran")),
    "open": ("io.open", Calls(open, "ran", "w")),
    "path": ("pathlib", Calls(Path.touch, Path("ran"))),
    "getattr of a module": ("__import__", Calls(getattr, Calls(builtins.__import__, "os"), "x")),
    "getattr of what is allowed": ("__init__", Calls(getattr, HistoryBuffer, "__init__")),
    "array of objects": ("array of 'O8'", np.array([Calls(exec, COMMAND)], dtype=object)),
    "old instruction": ("posix.system", b"\x80\x02(S'touch ran'\niposix\nsystem\n."),
    "new protocol": ("exec", pickle.dumps(Calls(exec, COMMAND), protocol=4)),
    "text protocol": ("exec", pickle.dumps(Calls(exec, COMMAND), protocol=0)),
}


@pytest.fixture(params=ATTACKS)
def crafted(request, tmp_path, monkeypatch):
    """A checkpoint that tries to write the file `ran`, and what its refusal has to name."""
    monkeypatch.chdir(tmp_path)
    name, attack = ATTACKS[request.param]
    path = tmp_path / "crafted.pth"
    if isinstance(attack, bytes):
        path.write_bytes(attack)
    else:
        torch.save(what_mmengine_saves() | {"hidden": [attack]}, path)
    return path, name


@pytest.mark.parametrize("how", ["by MMEngine", "into a backbone", "by init_cfg"])
def test_a_file_that_would_run_code_is_refused_by_name_and_nothing_runs(crafted, how):
    path, name = crafted
    with pytest.raises(CheckpointError, match="crafted.pth") as caught:
        if how == "by MMEngine":
            load(path)
        elif how == "into a backbone":
            load_weights(FlexResNet(18, width=0.25), path)
        else:
            init_cfg = {"type": "Pretrained", "checkpoint": str(path)}
            FlexResNet(18, width=0.25, init_cfg=init_cfg).init_weights()
    assert not Path("ran").exists()
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_program_is_told_from_a_checkpoint(tmp_path):
    torch.jit.script(torch.nn.ReLU()).save(tmp_path / "program.pth")
    with pytest.raises(CheckpointError, match=r"program.pth: a TorchScript program"):
        load(tmp_path / "program.pth")


def test_a_damaged_file_is_loaded_or_refused_and_nothing_else(tmp_path):
    torch.save(what_mmengine_saves() | {"state_dict": {"a": torch.ones(3)}}, tmp_path / "a.pth")
    whole, seed = (tmp_path / "a.pth").read_bytes(), 3
    dice = random.Random(seed)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        (tmp_path / "damaged.pth").write_bytes(damaged)
        try:
            load(tmp_path / "damaged.pth")
        except CheckpointError as error:
            assert "damaged.pth" in str(error), seed
            refused += 1
    assert refused > 20, seed


def test_no_config_in_a_checkpoint_is_executed_by_mmengine_s_inferencers(tmp_path, monkeypatch):
    apis = pytest.importorskip("mmdet.apis")
    monkeypatch.chdir(tmp_path)
    for places in (("message_hub",), ("meta",), ("message_hub", "meta")):
        saved = what_mmengine_saves()
        if "message_hub" in places:
            saved["message_hub"]["runtime_info"]["cfg"] = COMMAND
        if "meta" in places:
            saved["meta"] |= {"cfg": COMMAND, "config": COMMAND}
        torch.save(saved, "crafted.pth")
        with pytest.raises(ValueError, match="Cannot find the config in the checkpoint"):
            apis.DetInferencer(weights="crafted.pth", show_progress=False)
        assert not Path("ran").exists()


def test_a_missing_checkpoint_is_a_file_that_is_not_found():
    for error in (FileNotFoundError, OSError, CheckpointError):
        with pytest.raises(error, match="not_there.pth: there is no such file"):
            CheckpointLoader.load_checkpoint("not_there.pth")


def test_a_class_that_is_not_known_is_left_out_and_told(tmp_path):
    class Own:
        pass

    own = Own()
    own.rate = 0.1
    Own.__qualname__ = "Own"
    globals()["Own"] = Own
    torch.save(what_mmengine_saves() | {"extra": own}, tmp_path / "a.pth")
    with pytest.warns(UserWarning, match="not known here were left out .test_checkpoint.Own"):
        assert "state_dict" in load(tmp_path / "a.pth")


def test_what_changes_a_result_stands_in_a_run_s_log(tmp_path):
    MMLogger.get_instance("a run with weights", log_file=str(tmp_path / "run.log"))
    torch.save(FlexResNet(50, width=0.0625).state_dict(), tmp_path / "resnet50_caffe.pth")
    init_cfg = {"type": "Pretrained", "checkpoint": str(tmp_path / "resnet50_caffe.pth")}
    with pytest.warns(UserWarning, match="build it with style='caffe'"):
        FlexResNet(50, width=0.0625, init_cfg=init_cfg).init_weights()
    assert "WARNING" in (tmp_path / "run.log").read_text()
    assert "build it with style='caffe'" in (tmp_path / "run.log").read_text()
