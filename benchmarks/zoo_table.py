"""The results of `zoo_run.py`, as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: File of results -> what it was run on.
FAMILIES = {
    "maintained": "The maintained packages",
    "openmmlab": "OpenMMLab's own last releases",
}

HEAD = """# The zoos

Configs of MMDetection and MMSegmentation that work with this package. Each model was built without
downloads, and ran one training step (loss and backward) and one prediction on two small random
images (or a short video) on the CPU, with MMCV's operators of this package. *FlexResNet*: the same
with FlexResNet in place of each ResNet, ResNeXt, ResNetV1c and ResNetV1d; a dash if there is none.

Written by `python benchmarks/zoo_run.py --write`; its docstring describes how to run it.
"""


@dataclass(frozen=True)
class Result:
    """The result of a config.

    Attributes:
        config: `mmdet/<folder>/<file>` or `mmseg/...`.
        outcome: `ran`; `needs`: other packages or downloads; `none`: nothing to run; `failed`.
        reason: why it did not run, in one line.
        seconds: how long it took, with what the process imported by itself.
        backbone: its class, where the run tells it.
    """

    config: str
    outcome: str
    reason: str
    seconds: float
    backbone: str = ""


def read_results(file: Path) -> list[Result]:
    """The results in a file, the last of each config; a line that was cut off is left out."""
    found: dict[str, Result] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            result = Result(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue
        found[result.config] = result
    return sorted(found.values(), key=lambda one: one.config)


def summarize(results: Sequence[Result]) -> str:
    """One line for each zoo.

    >>> print(summarize([Result("mmdet/a/b.py", "ran", "", 1), Result("mmdet/a/c.py", "needs", \
"", 1)]))
    mmdet: 1 of 1 ran (100 %); 1 more need another package or a download
    """
    lines = []
    for package in dict.fromkeys(one.config.split("/")[0] for one in results):
        outcomes = [one.outcome for one in results if one.config.startswith(f"{package}/")]
        ran, failed = outcomes.count("ran"), outcomes.count("failed")
        share = f" ({100 * ran / (ran + failed):.0f} %)" if ran + failed else ""
        line = f"{package}: {ran} of {ran + failed} ran{share}"
        if outcomes.count("needs"):
            line += f"; {outcomes.count('needs')} more need another package or a download"
        lines.append(line)
    return "\n".join(lines)


def format_page(folder: Path) -> str:
    """The whole page, from the files of results in a folder."""
    sections = [HEAD]
    for name, title in FAMILIES.items():
        plain = read_results(folder / f"{name}.jsonl")
        flex = {one.config: one for one in read_results(folder / f"{name}-flex.jsonl")}
        if plain:
            sections.append(_section(title, plain, flex))
    return "\n".join(sections)


def _section(title: str, plain: list[Result], flex: dict[str, Result]) -> str:
    parts = [f"## {title}\n"]
    parts += [f"- {line}" for line in summarize(plain).splitlines()]
    parts += [f"- with FlexResNet, {line}" for line in summarize(list(flex.values())).splitlines()]
    columns = ["config", "result", "FlexResNet"][: 3 if flex else 2]
    rows = [
        [f"`{one.config}`", _cell(one), _cell(flex.get(one.config))][: len(columns)]
        for one in plain
        if one.outcome != "none"
    ]
    for row in (columns, ["---"] * len(columns), *rows):
        parts.append(f"| {' | '.join(row)} |")
    parts.insert(-len(rows) - 2, "")
    return "\n".join(parts) + "\n"


def _cell(result: Result | None) -> str:
    if result is None or result.outcome == "none":
        return "-"
    return "ran" if result.outcome == "ran" else result.reason.replace("|", "\\|")
