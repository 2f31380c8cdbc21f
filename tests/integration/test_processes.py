"""Several processes train one model, and what is left when one of them is killed."""

import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from resblock_backbones import FlexResNet
from resblock_backbones.commands.front import run_command
from resblock_backbones.openmmlab.models import storage as whole_files

TOOL = Path(__file__).parents[2] / "tools/train.py"
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def finished(command, **variables):
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=ENVIRONMENT | variables,
        timeout=200,
    )


@pytest.mark.parametrize("norm", [pytest.param("BN", marks=pytest.mark.slow), "SyncBN"])
def test_two_processes_train_together(norm, small_config):
    """Without GPUs, for which alone PyTorch has SyncBN, it is BN."""
    parts = ("backbone", "decode_head", "auxiliary_head")
    done = finished(
        [*TORCHRUN, TOOL, small_config, "--work-dir", "run", "--launcher", "pytorch"]
        + ["--cfg-options", "train_cfg.max_iters=1", "default_hooks.checkpoint.interval=1"]
        + [f"model.{part}.norm_cfg.type={norm}" for part in parts]
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "GPU number: 2" in "".join(log.read_text() for log in Path("run").rglob("*.log"))
    assert Path("run/iter_1.pth").is_file()


GRADIENTS = """
import sys
import torch
from mmengine.model import MMDistributedDataParallel
from resblock_backbones import FlexResNet

torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
given = torch.load("given.pt")


class Mean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = FlexResNet(**given["options"]).double()
        self.net.load_state_dict(given["state"])

    def forward(self, x):
        return sum(output.square().mean() for output in self.net(x))


model = Mean().train()
parallel = MMDistributedDataParallel(module=model, broadcast_buffers=False)
parallel(given["x"][2 * rank : 2 * rank + 2]).backward()
if rank == 0:
    found = {name: p.grad for name, p in model.net.named_parameters() if p.grad is not None}
    torch.save(found, "found.pt")
torch.distributed.destroy_process_group()
"""


def test_half_the_batch_each_gives_the_gradients_of_the_whole_batch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    options = {"depth": 50, "width": 0.25, "frozen_stages": 1, "zero_init_residual": False}
    net = FlexResNet(**options).double().train()
    x = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    torch.save({"options": options, "state": net.state_dict(), "x": x}, "given.pt")
    Path("gradients.py").write_text(GRADIENTS)
    done = finished([*TORCHRUN, "gradients.py"])
    assert done.returncode == 0, done.stderr[-2000:]

    sum(output.square().mean() for output in net(x)).backward()
    found = torch.load("found.pt")
    expected = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        scale = gradient.abs().max()
        torch.testing.assert_close(found[name] / scale, gradient / scale, rtol=0, atol=1e-9)


# A module that a config imports: the second process is gone after its first iteration.
DEATH = """
import os, signal
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Death(Hook):
    def after_train_iter(self, runner, batch_idx, **rest):
        if runner.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def deadly_config(small_config):
    Path("death.py").write_text(DEATH)
    text = Path(small_config).read_text()
    text = text.replace('imports=["resblock_backbones"]', 'imports=["resblock_backbones", "death"]')
    Path(small_config).write_text(text + '\ncustom_hooks = [dict(type="Death")]\n')
    return small_config


def test_under_torchrun_a_killed_process_ends_the_run_with_a_message(deadly_config):
    command = [*TORCHRUN, TOOL, deadly_config, "--work-dir", "run", "--launcher", "pytorch"]
    done = finished(command, PYTHONPATH=str(Path.cwd()))
    assert done.returncode != 0
    assert "SIGKILL" in done.stderr


def test_under_slurm_the_processes_left_say_in_a_line_that_another_is_gone(deadly_config):
    port = str(_free_port())
    processes = [
        subprocess.Popen(
            [sys.executable, TOOL, deadly_config, "--work-dir", "run", "--launcher", "slurm"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT
            | {
                "PYTHONPATH": str(Path.cwd()),
                "SLURM_PROCID": str(rank),
                "SLURM_LOCALID": str(rank),
                "SLURM_NTASKS": "2",
                "MASTER_ADDR": "localhost",
                "MASTER_PORT": port,
            },
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=200)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert processes[1].returncode == -signal.SIGKILL
    assert processes[0].returncode == 1
    assert said[0].rstrip().splitlines()[-1] == (
        "error: another process of this run has ended; --resume continues from the last checkpoint"
    )


def _free_port():
    with socket.socket() as opened:
        opened.bind(("localhost", 0))
        return opened.getsockname()[1]


@pytest.mark.parametrize("launcher", ["pytorch", "slurm", "mpi"])
def test_a_launcher_that_did_not_start_this_process_is_named(
    launcher, small_config, monkeypatch, capfd
):
    for name in [name for name in os.environ if re.match("RANK|WORLD_SIZE|SLURM|OMPI", name)]:
        monkeypatch.delenv(name)
    assert run_command("train", [small_config, "--launcher", launcher]) == 2
    assert f"--launcher {launcher}: " in capfd.readouterr().err


# Moments to be killed at.


def while_a_checkpoint_is_written(number):
    written = whole_files.write_whole

    def half(file, contents):
        nonlocal number
        number -= file.suffix == ".pth"
        if number == 0:
            file.with_name(f".{file.name}.{os.getpid()}.part").write_bytes(contents[:1000])
            _die()
        written(file, contents)

    whole_files.write_whole = half


def before_the_checkpoint_is_named(number):
    written = whole_files.write_whole

    def whole(file, contents):
        nonlocal number
        written(file, contents)
        number -= file.suffix == ".pth"
        if number == 0:
            _die()

    whole_files.write_whole = whole


def at_some_moment(seconds):
    signal.signal(signal.SIGALRM, lambda *_: _die())
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _die():
    os.kill(os.getpid(), signal.SIGKILL)


def resume(config, folder, options, moment, *details):
    """In a process of its own: train until the moment comes."""
    os.chdir(folder)
    torch.set_num_threads(1)
    if moment is not None:
        moment(*details)
    sys.exit(
        run_command("train", [config, "--work-dir", "run", "--resume", "--cfg-options", *options])
    )


@pytest.mark.slow
@pytest.mark.parametrize("kept", [-1, 1])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(kept, small_config):
    options = ["train_cfg.max_iters=8", f"default_hooks.checkpoint.max_keep_ckpts={kept}"]
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["resblock_backbones", "mmdet.apis", "mmseg.apis"])
    moments = [
        (while_a_checkpoint_is_written, 1),
        (before_the_checkpoint_is_named, 1),
        (while_a_checkpoint_is_written, 1),
        (at_some_moment, torch.rand(()).item() * 4),
        (before_the_checkpoint_is_named, 2),
        (while_a_checkpoint_is_written, 1),
    ]
    if kept == -1:
        moments = moments[-2:]  # nothing is removed then: there is less to go wrong
    newest = 0
    for moment in (*moments, (None,)):
        process = processes.Process(
            target=resume, args=(small_config, str(Path.cwd()), options, *moment)
        )
        process.start()
        process.join(200)
        ends = {None: {0}, at_some_moment: {0, -signal.SIGKILL}}
        assert process.exitcode in ends.get(moment[0], {-signal.SIGKILL}), moment
        whole = [int(path.stem.split("_")[1]) for path in Path("run").glob("iter_*.pth")]
        # Nothing that was done before is lost.
        assert max(whole, default=0) >= newest, moment
        newest = max(whole, default=0)
    last = torch.load("run/iter_8.pth", weights_only=False)
    assert last["meta"]["iter"] == 8
    assert not list(Path("run").glob(".*"))
    assert Path("run/last_checkpoint").read_text().endswith("iter_8.pth")
    if kept == 1:
        assert whole == [8]
