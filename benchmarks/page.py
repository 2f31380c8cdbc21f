"""The page of results: each benchmark writes a section, between markers with its name."""

from collections.abc import Sequence
from pathlib import Path

from resblock_backbones.files.whole import write_whole


def put_section(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace the section of this name, or append it to the page."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    text = page.read_text() if page.exists() else "# Benchmarks\n"
    section = "\n".join([start, *lines, end])
    if start in text:
        before, _, rest = text.partition(start)
        text = before + section + rest.partition(end)[2]
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    write_whole(page, text.encode())


def has_section(page: Path, name: str) -> bool:
    """Whether there is such a section."""
    return page.exists() and f"<!-- {name} -->" in page.read_text()


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown processor"
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "unknown processor")
