"""Run every config of both installed zoos for one step: which models work here?

    python benchmarks/zoo_run.py --sample 1            # one config of each folder
    python benchmarks/zoo_run.py --sample 1 --flex     # with FlexResNet in place of their ResNets
    python benchmarks/zoo_run.py                       # all of them; hours
    python benchmarks/zoo_run.py mmdet/faster_rcnn     # those of one folder
    python benchmarks/zoo_run.py --write               # only write docs/zoo.md anew

Each config's model is built without downloads, does one loss with backward and one prediction on
small random images on the CPU, in a process of its own. Results are kept as they come, so a run
that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from zoo_table import Result, format_page, read_results, summarize

PACKAGES = ("mmdet", "mmseg")
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "work_dirs/zoo"
PAGE = ROOT / "docs/zoo.md"


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parse(arguments)
    # Each process has its share of the processors; set before torch is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given.results.mkdir(parents=True, exist_ok=True)
    if given.run:
        try:
            chosen = choose(given.configs, given.sample)
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        file = given.results / f"{family()}{'-flex' if given.flex else ''}.jsonl"
        if given.fresh:
            file.unlink(missing_ok=True)
        done = {
            one.config
            for one in read_results(file)
            if not (given.retry and one.outcome == "failed")
        }
        left = [name for name in chosen if name not in done]
        print(f"{len(chosen)} configs, {len(chosen) - len(left)} of them done before")
        try:
            one_config = functools.partial(_run_one, flex=given.flex)
            run_all(left, file, one_config, limit=given.limit, jobs=given.jobs)
        except KeyboardInterrupt:
            print("\ninterrupted; the same command goes on from here", file=sys.stderr)
            return 130
        print(summarize([one for one in read_results(file) if one.config in set(chosen)]))
    if given.write:
        from resblock_backbones.files.whole import write_whole

        write_whole(PAGE, format_page(given.results).encode())
        print(PAGE.relative_to(ROOT))
    return 0


def append_result(file: Path, result: Result) -> None:
    """Add a line; what an interruption cut off before it stays a line of its own."""
    with file.open("a+b") as opened:
        opened.seek(max(0, opened.tell() - 1))
        cut_off = opened.read(1) not in (b"", b"\n")
        opened.write(b"\n" * cut_off + json.dumps(asdict(result)).encode() + b"\n")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="*", help="folders or files below mmdet/ or mmseg/ [all]")
    parser.add_argument(
        "--sample", type=int, metavar="N", help="N configs of each folder, evenly spread"
    )
    parser.add_argument("--flex", action="store_true", help="FlexResNet in place of their ResNets")
    parser.add_argument("--jobs", type=int, default=1, help="configs at once [1]")
    parser.add_argument(
        "--limit", type=float, default=300, metavar="SECONDS", help="for one config [300]"
    )
    parser.add_argument("--retry", action="store_true", help="run those again that failed")
    parser.add_argument("--fresh", action="store_true", help="forget the results so far")
    parser.add_argument("--write", action="store_true", help="write docs/zoo.md")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder [work_dirs/zoo]")
    given = parser.parse_args(arguments)
    for name in ("sample", "jobs", "limit"):
        value = getattr(given, name)
        if value is not None and value <= 0:
            parser.error(f"--{name} {value}: has to be above 0")
    given.run = bool(given.configs or given.sample or not given.write)
    return given


def family() -> str:
    """Which of the tried combinations is installed, as a file name."""
    from resblock_backbones.openmmlab.versions.packages import compare_with_tried, find_packages

    name, _ = compare_with_tried(find_packages())
    return "maintained" if "maintained" in name else "openmmlab"


def choose(wanted: Sequence[str], sample: int | None) -> list[str]:
    """The configs to run, as `mmdet/<folder>/<file>`, in the order of their names.

    Args:
        wanted: folders or files; empty for all.
        sample: how many of each folder; None for all. Files directly in a folder come before
            those in folders inside it.

    Raises:
        ValueError: a folder or file that is not there.
    """
    from zoo_model import config_folder

    folders: dict[str, list[str]] = {}
    for package in PACKAGES:
        root = config_folder(package)
        for path in root.glob("*/**/*.py"):
            name = path.relative_to(root).as_posix()
            if "_base_" not in path.parts and "model" in path.read_text():
                folders.setdefault(f"{package}/{name.split('/')[0]}", []).append(
                    f"{package}/{name}"
                )
    names = [name for listed in folders.values() for name in listed]
    for one in wanted:
        if not any(name == one or name.startswith(one.rstrip("/") + "/") for name in names):
            raise ValueError(f"{one}: no such folder or config; write mmdet/faster_rcnn")
    chosen = []
    for folder in sorted(folders):
        listed = sorted(folders[folder], key=lambda name: (name.count("/"), name))
        if wanted:
            kept = [one.rstrip("/") for one in wanted]
            listed = [n for n in listed if any(n == k or n.startswith(k + "/") for k in kept)]
        if sample is not None and len(listed) > sample:
            listed = [listed[i * len(listed) // sample] for i in range(sample)]
        chosen += listed
    return chosen


def run_all(
    names: Sequence[str],
    file: Path,
    run: Callable[[str, Connection], None],
    *,
    limit: float,
    jobs: int,
) -> None:
    """Run configs, and add a line to a file for each as it ends.

    Args:
        names: of the configs.
        file: for the results, one JSON object a line.
        run: what is done with the name of a config, in a process of its own; it sends outcome,
            reason and, where it is known, the backbone.
        limit: seconds for one config; then its process is ended.
        jobs: how many at once.
    """
    context = multiprocessing.get_context("forkserver")
    # The server imports once what every process needs; it takes its path from here.
    here = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, here))
    context.set_forkserver_preload(["zoo_model", "mmdet.models", "mmseg.models"])
    waiting, running = list(names), {}  # type: ignore[var-annotated]
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                ours, theirs = context.Pipe(duplex=False)
                name = waiting.pop(0)
                process = context.Process(target=run, args=(name, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = (name, process, time.monotonic())
            wait(list(running), timeout=1)
            for pipe, (name, process, started) in list(running.items()):
                seconds = time.monotonic() - started
                result = _collect(name, pipe, process, seconds, limit)
                if result is not None:
                    del running[pipe]
                    append_result(file, result)
                    note = f": {result.reason}" if result.reason else ""
                    print(f"{seconds:5.0f} s  {result.outcome:<8}  {name}{note}", flush=True)
    finally:
        for _, process, _ in running.values():
            process.kill()


def _collect(
    name: str, pipe: Connection, process: Any, seconds: float, limit: float
) -> Result | None:
    """The result of a process, if it has ended, or takes too long."""
    more: list[str] = []
    if pipe.poll():
        try:
            outcome, reason, *more = pipe.recv()
        except EOFError:
            process.join()
            outcome, reason = "failed", f"its process ended with status {process.exitcode}"
    elif seconds > limit:
        outcome, reason = "failed", f"longer than {limit:.0f} s"
    else:
        return None
    process.kill()
    process.join()
    pipe.close()
    return Result(name, outcome, reason, round(seconds, 1), *more)


def _run_one(name: str, pipe: Connection, *, flex: bool) -> None:
    """In a process of its own: send the outcome and, in one line, the reason."""
    import torch
    from zoo_model import NeedsMore, NoModel, NothingToReplace, run_config

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    package, _, config = name.partition("/")
    try:
        run_config(package, config, flex=flex)
    except NeedsMore as error:
        pipe.send(("needs", f"needs {error}"))
    except NoModel:
        pipe.send(("none", "no model: a part of other configs"))
    except NothingToReplace:
        pipe.send(("none", "no ResNet to replace"))
    except BaseException as error:  # an interrupted process says nothing
        if isinstance(error, KeyboardInterrupt):
            return
        if os.environ.get("ZOO_TRACEBACK"):
            traceback.print_exc(file=sys.stderr)
        pipe.send(("failed", reason_of(error)))
    else:
        pipe.send(("ran", ""))


def reason_of(error: BaseException) -> str:
    """What went wrong and in which file, in one line without this machine's folders."""
    frames = traceback.extract_tb(error.__traceback__)
    # The last line outside torch says more than the first inside it.
    ours = [one for one in frames if "torch" not in Path(one.filename).parts] or frames
    where = "/".join(Path(ours[-1].filename).parts[-2:])
    text = " ".join(str(error).split())
    text = re.sub(r"/[^\s'\"]*/site-packages/", "", text.replace(f"{Path.cwd()}/", ""))
    if len(text) > 160:
        text = text[:157] + "..."
    return f"{type(error).__name__}: {text} ({where}, line {ours[-1].lineno})"


if __name__ == "__main__":
    sys.exit(main())
