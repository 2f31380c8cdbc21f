"""Distributed training: joining the process group, and errors after a process has died.

PyTorch's launcher, Slurm and MPI each pass the rank in environment variables of their own. MMEngine
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
    """Names of the environment variables of a launcher, and the command that sets them."""

    rank: str
    processes: str
    local_rank: str
    command: str


LAUNCHERS = {
    "pytorch": Launcher(
        "RANK", "WORLD_SIZE", "LOCAL_RANK", "torchrun --no-python --nproc-per-node=2"
    ),
    "slurm": Launcher("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "srun --ntasks=2"),
    "mpi": Launcher(
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "mpirun -np 2",
    ),
}

#: Errors of gloo, NCCL and the data loader after a process has died, and what they mean.
DEATHS = {
    r"DataLoader worker .* (killed|exited)": (
        "a data loader worker was killed, often because memory ran out; "
        "lower train_dataloader.num_workers"
    ),
    r"[Cc]onnection (closed|reset|was closed)|Broken pipe|recvValue failed|remote process exited": (
        "another process of this run has ended"
    ),
}


def join_process_group(launcher: str) -> None:
    """Join the process group over gloo if there is no GPU; with GPUs, MMEngine does it.

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
    """Whether this is the process of rank 0, which writes files.

    >>> is_first("none")
    True
    """
    return launcher == "none" or os.environ.get(LAUNCHERS[launcher].rank, "0") == "0"


def explain_lost_process(error: BaseException) -> str | None:
    """A line that explains an error caused by the death of a process; None for other errors.

    >>> explain_lost_process(RuntimeError("Connection closed by peer [127.0.0.1]:4"))
    'another process of this run has ended; --resume continues from the last checkpoint'
    >>> explain_lost_process(ValueError("2"))
    """
    if not isinstance(error, RuntimeError):
        return None
    for pattern, meaning in DEATHS.items():
        if re.search(pattern, str(error)):
            return f"{meaning}; --resume continues from the last checkpoint"
    return None


@contextlib.contextmanager
def deaths_explained() -> Iterator[None]:
    """Report the death of another process as such, whichever library raised the error.

    Raises:
        OtherProcessError: in place of the library's own ``RuntimeError``.
    """
    try:
        yield
    except RuntimeError as error:
        line = explain_lost_process(error)
        if line is None:
            raise
        raise OtherProcessError(line) from error


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
            f"start with: {names.command} resblock train CONFIG --launcher {launcher}"
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
                f"--launcher slurm: scontrol cannot name the first machine ({error}); "
                "set MASTER_ADDR to its name"
            ) from error
    raise ConfigError(
        f"--launcher {launcher}: set MASTER_ADDR to the name of the machine with the first process"
    )
