"""The command `resblock`: choice of the command, its arguments, and the exit status.

Exit status 0: success. 2: wrong input, reported in one line. 130: interrupted. 1: another process
of the run has died, reported in one line, or an unexpected error, with its traceback.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import ModuleType

from ..options.checks import nearest
from ..options.errors import InputError, OtherProcessError
from ..options.torch_version import refuse_old_torch
from ..version import __version__
from .table import COMMANDS, GROUPS


def main(arguments: Sequence[str] | None = None) -> int:
    """`resblock COMMAND ...`.

    Args:
        arguments: the command line after `resblock`; default: this process's.

    Returns:
        The exit status.

    >>> main(["--version"])  # doctest: +ELLIPSIS
    resblock_backbones ...
    0
    """
    try:
        status = _command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads the output, `head` for one, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    return status


def _command(arguments: Sequence[str] | None) -> int:
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help", "help"):
        if rest and rest[0] in COMMANDS:
            return _command([rest[0], "--help"])
        print(overview())
        return 0
    if name in ("-V", "--version"):
        print(f"resblock_backbones {__version__}")
        return 0
    if name not in COMMANDS:
        hint = nearest(name, COMMANDS) or "; `resblock` alone lists them"
        return refuse(f"resblock has no command {name!r}{hint}")
    return run_command(name, rest, prog=f"resblock {name}")


def overview() -> str:
    """List of all commands with a line for each."""
    width = max(map(len, COMMANDS))
    lines = ["usage: resblock COMMAND ...", ""]
    for heading, rows in GROUPS.items():
        lines += [f"{heading}:", *(f"  {name:{width}}  {row.line}" for name, row in rows.items())]
        lines.append("")
    return "\n".join([*lines, "resblock COMMAND --help lists its arguments."])


def run_command(name: str, arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run a command.

    Args:
        name: of the command.
        arguments: its command line; default: this process's.
        prog: the program name in the help; default: the name of this script.

    Returns:
        The exit status.
    """
    command = importlib.import_module(f".{COMMANDS[name].module}", __package__)
    show_traceback = "--traceback" in (sys.argv[1:] if arguments is None else arguments)
    # Errors of wrong input; a command may name further ones.
    mistakes = (InputError, FileNotFoundError, *getattr(command, "MISTAKES", ()))
    warnings.formatwarning = _format_warning
    try:
        if name != "doctor":  # which reports an old torch itself
            _check_torch()
        given = _parser(command, prog).parse_args(arguments)
        del given.traceback
        return command.run(given) or 0
    except KeyboardInterrupt:
        print(getattr(command, "INTERRUPTED", "interrupted; nothing was written"), file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision"):
            raise
        return refuse(f"{name}: needs PyTorch; pip install torch torchvision ({error})")
    except (*mistakes, OtherProcessError, OSError) as error:
        of_disk = isinstance(error, OSError) and error.errno in OF_THE_DISK
        if not of_disk and not isinstance(error, (*mistakes, OtherProcessError)):
            raise
        status = 1 if isinstance(error, OtherProcessError) else 2
        if show_traceback:
            traceback.print_exc()
            return status
        named = isinstance(error, OSError) and error.strerror and error.filename is not None
        return refuse(_of_disk(error) if of_disk or named else str(error), status)


#: What a disk or its rights refuse, whatever the command is about.
OF_THE_DISK = (
    errno.EACCES,
    errno.EDQUOT,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)


def _of_disk(error: BaseException) -> str:
    """What could not be written or read, and why.

    >>> _of_disk(OSError(errno.ENOSPC, "No space left on device", "out/a.png"))
    'out/a.png: No space left on device; free some of it, or write elsewhere'
    """
    assert isinstance(error, OSError)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    where = "" if error.filename is None else f"{error.filename}: "
    return f"{where}{error.strerror}{'; free some of it, or write elsewhere' if full else ''}"


def _format_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """One line for a warning of this package; any other as Python formats it."""
    if category.__module__.startswith(__name__.partition(".")[0]):
        return f"warning: {message}\n"
    return _PYTHONS_FORMAT(message, category, filename, lineno, line)


_PYTHONS_FORMAT = warnings.formatwarning


def refuse(message: str, status: int = 2) -> int:
    """Print what is wrong as one line; returns the exit status."""
    if message.startswith("Caught ") and "Traceback (most recent call last)" in message:
        # PyTorch puts the traceback of a worker process into the message of what was raised.
        message = message.strip().splitlines()[-1].partition(": ")[2] or message
    rank = os.environ.get("RANK", "0")
    where = "" if rank == "0" else f" [rank {rank}]"
    print(f"error{where}: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return status


def _parser(command: ModuleType, prog: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    parser.add_argument(
        "--traceback",
        action="store_true",
        help="show the traceback of an error, not only its message",
    )
    return parser


def _check_torch() -> None:
    try:
        refuse_old_torch()
    except ImportError as error:
        raise InputError(str(error)) from error
