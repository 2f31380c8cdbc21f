"""Several processes that train one model: how they find each other, and what the end of one means.

PyTorch's launcher, Slurm and MPI each tell a process its place in variables of their own. MMEngine
reads them, but calls `torch.cuda.set_device`, which needs a GPU.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import torch

from ...options.errors import ConfigError, OtherProcessError


class Launcher(NamedTuple):
    """Names of the variables that tell a process its place, and the command that sets them."""

    rank: str
    processes: str
    local_rank: str
    command: str


LAUNCHERS = {
    "pytorch": Launcher("RANK", "WORLD_SIZE", "LOCAL_RANK", "torchrun --nproc-per-node=2"),
    "slurm": Launcher("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "srun --ntasks=2 python"),
    "mpi": Launcher(
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "mpirun -np 2 python",
    ),
}

#: What gloo, NCCL and the data loader say when a process is gone, and what that means.
DEATHS = {
    r"DataLoader worker .* (killed|exited)": (
        "a process that loads images was killed, often for want of memory; "
        "fewer train_dataloader.num_workers need less"
    ),
    r"[Cc]onnection (closed|reset|was closed)|Broken pipe|recvValue failed|remote process exited": (
        "another process of this run has ended"
    ),
}


def join_process_group(launcher: str) -> None:
    """Join the other processes over gloo where there is no GPU; with GPUs, MMEngine does it.

    Args:
        launcher: `none`, `pytorch`, `slurm` or `mpi`.

    Raises:
        ConfigError: this process was not started by that launcher, or has no GPU of its own.

    >>> join_process_group("none")
    """
    if launcher == "none" or torch.distributed.is_initialized():
        return
    local_rank = _local_rank(launcher)
    gpus = torch.cuda.device_count()
    if gpus > 0:
        if local_rank >= gpus:
            raise ConfigError(
                f"--launcher {launcher}: process {local_rank + 1} of this machine has no GPU of "
                f"its own, there are {gpus}; start as many processes as there are GPUs"
            )
        return
    names = LAUNCHERS[launcher]
    os.environ.setdefault("MASTER_ADDR", _first_machine(launcher))
    os.environ.setdefault("MASTER_PORT", "29500")
    torch.distributed.init_process_group(
        backend="gloo",
        rank=int(os.environ[names.rank]),
        world_size=int(os.environ[names.processes]),
    )


def is_first(launcher: str) -> bool:
    """Whether this process is the one that writes files.

    >>> is_first("none")
    True
    """
    return launcher == "none" or os.environ.get(LAUNCHERS[launcher].rank, "0") == "0"


def explain_death(error: BaseException) -> str | None:
    """A line about the process whose end an error tells of; None if it tells of something else.

    >>> explain_death(RuntimeError("Connection closed by peer [127.0.0.1]:4"))
    'another process of this run has ended; --resume goes on from the last checkpoint'
    >>> explain_death(ValueError("2"))
    """
    if not isinstance(error, RuntimeError):
        return None
    for pattern, meaning in DEATHS.items():
        if re.search(pattern, str(error)):
            return f"{meaning}; --resume goes on from the last checkpoint"
    return None


@contextlib.contextmanager
def deaths_explained() -> Iterator[None]:
    """Tell the end of another process as what it is, whatever library noticed it.

    Raises:
        OtherProcessError: in place of the library's own ``RuntimeError``.
    """
    try:
        yield
    except RuntimeError as error:
        death = explain_death(error)
        if death is None:
            raise
        raise OtherProcessError(death) from error


def _local_rank(launcher: str) -> int:
    names = LAUNCHERS[launcher]
    missing = [
        name
        for name in (names.rank, names.processes, names.local_rank)
        if not os.environ.get(name, "").isdecimal()
    ]
    if missing:
        raise ConfigError(
            f"--launcher {launcher}: {', '.join(missing)} is not set; "
            f"start with: {names.command} tools/train.py CONFIG --launcher {launcher}"
        )
    return int(os.environ[names.local_rank])


def _first_machine(launcher: str) -> str:
    """The name of the machine that the process of rank 0 runs on."""
    if "MASTER_ADDR" in os.environ:
        return os.environ["MASTER_ADDR"]
    if launcher == "slurm" and "SLURM_JOB_NODELIST" in os.environ:
        try:
            hosts = subprocess.run(
                ["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]],
                capture_output=True,
                text=True,
                check=True,
            )
            return hosts.stdout.split()[0]
        except (OSError, subprocess.CalledProcessError, IndexError) as error:
            raise ConfigError(
                f"--launcher slurm: scontrol does not tell the first machine ({error}); "
                "set MASTER_ADDR to its name"
            ) from error
    raise ConfigError(
        f"--launcher {launcher}: set MASTER_ADDR to the name of the machine with the first process"
    )
