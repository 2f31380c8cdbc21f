"""A page of plots, tables and images: one HTML file that needs no other, and a file for each."""

from __future__ import annotations

import base64
import csv
import html
import io
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ..data.findings import Level
from ..options.errors import InputError

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1400px; margin: 1.5rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; }
h3 { font-size: 1rem; margin-bottom: .3rem; } p { max-width: 75em; }
.row { display: grid; gap: .5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(var(--width), 100%), 1fr)); }
.row figure { margin: 0; }
figure { margin: .4rem; display: inline-block; vertical-align: top; max-width: 100%; }
figure img { max-width: 100%; display: block; } figcaption { color: #555; font-size: .85rem; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; border-bottom: 1px solid #e4e4e4; text-align: right; }
th:first-child, td:first-child { text-align: left; } .wide { overflow-x: auto; }
.legend span { margin-right: 1.2em; }
.legend i { display: inline-block; width: .9em; height: .9em; margin-right: .35em;
  vertical-align: -.1em; border: 1px solid #444; }
ul.findings { list-style: none; padding: 0; }
ul.findings li { padding: .35rem .7rem; margin: .25rem 0; border-left: 5px solid; }
ul.findings li.error { border-color: #c62828; background: #fdecea; }
ul.findings li.warning { border-color: #e69100; background: #fff6e0; }
ul.findings li.note { border-color: #4a7fb5; background: #eef4fa; }
"""


@dataclass
class Report:
    """The parts of a page, in the order in which they are added.

    Args:
        title: of the page.
        lines: below it.

    >>> report = Report("Boxes", ["of 2 images"])
    >>> report.finding("error", "a box of <0> pixels")
    >>> report.table("sizes", ["class", "count"], [["cat", 3]], "objects a class")
    >>> "a box of &lt;0&gt; pixels" in report.page(), sorted(report.files)
    (True, ['sizes.csv'])
    """

    title: str
    lines: Sequence[str] = ()
    findings: list[tuple[Level, str]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    _parts: list[str] = field(default_factory=list)

    def finding(self, level: Level, line: str) -> None:
        """Add a line to the head of the page; lines that are there already are not repeated."""
        if (level, line) not in self.findings:
            self.findings.append((level, line))

    def worst_first(self) -> list[tuple[Level, str]]:
        """The findings, errors before warnings before notes."""
        order: tuple[Level, ...] = ("error", "warning", "note")
        return sorted(self.findings, key=lambda one: order.index(one[0]))

    def section(self, title: str, text: str = "") -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{html.escape(title)}</h2>")
        if text:
            self.text(text)

    def heading(self, title: str) -> None:
        """Begin a part of a section."""
        self._parts.append(f"<h3>{html.escape(title)}</h3>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def preformatted(self, text: str) -> None:
        """Add a text whose columns are aligned."""
        self._parts.append(f"<pre>{html.escape(text)}</pre>")

    def plot(self, name: str, figure: Any, caption: str = "") -> None:
        """Add a figure of matplotlib, and the file `<name>.png`."""
        buffer = io.BytesIO()
        # Tight: a layout of long names at a square plot would leave the axis' label outside.
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        self.files[f"{name}.png"] = buffer.getvalue()
        self._figure("png", buffer.getvalue(), caption, Image.open(buffer).width / 1.1)

    def legend(self, names: Sequence[tuple[str, tuple[int, int, int] | None]]) -> None:
        """Add names with their colours; without one it is striped: pixels of no class."""
        stripes = "repeating-linear-gradient(135deg, #3c3c3c 0 2px, #ebebeb 2px 4px)"
        items = "".join(
            f'<span><i style="background:{stripes if colour is None else "rgb" + str(colour)}"></i>'
            f"{html.escape(name if colour is not None else name + ' (no class)')}</span>"
            for name, colour in names
        )
        self._parts.append(f'<p class="legend">{items}</p>')

    def images(self, row: Sequence[tuple[str, Image.Image, str]], *, width: int = 300) -> None:
        """Add images side by side, and the PNG of each.

        Args:
            row: name, image and caption of each.
            width: in pixels, to which they shrink before another row begins.
        """
        self._parts.append(f'<div class="row" style="--width:{width}px">')
        for name, image, caption in row:
            buffer = io.BytesIO()
            image.save(buffer, format="PNG")
            self.files[f"{name}.png"] = buffer.getvalue()
            small = io.BytesIO()  # a page of PNGs would have tens of megabytes
            image.save(small, format="WEBP", quality=88, method=2)
            self._figure("webp", small.getvalue(), caption, image.width)
        self._parts.append("</div>")

    def table(
        self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = ""
    ) -> None:
        """Add a table, and the file `<name>.csv`; floats are rounded on the page alone."""
        rows = [list(row) for row in rows]
        self.data(name, header, rows)
        cells = "".join(f"<th>{html.escape(one)}</th>" for one in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_shown(one))}</td>" for one in row) + "</tr>"
            for row in rows
        )
        title = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
        self._parts.append(f'{title}<div class="wide"><table><tr>{cells}</tr>{body}</table></div>')

    def data(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add the file `<name>.csv` alone."""
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows([header, *rows])
        self.files[f"{name}.csv"] = buffer.getvalue().encode()

    def page(self) -> str:
        """The HTML page."""
        items = "".join(
            f'<li class="{level}"><b>{level}</b> {html.escape(line)}</li>'
            for level, line in self.worst_first()
        )
        head = f'<ul class="findings">{items}</ul>' if items else "<p>No findings.</p>"
        title = html.escape(self.title)
        lines = "<br>".join(map(html.escape, self.lines))
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
            f"<h1>{title}</h1><p>{lines}</p><h2>Findings</h2>{head}{''.join(self._parts)}</html>\n"
        )

    def write(self, folder: Path, *, force: bool = False) -> Path:
        """Write the page, `index.html`, and all files: all of them, or none.

        Args:
            folder: is made; with `force` it may exist, and files of the same names are replaced.

        Returns:
            The page.

        Raises:
            InputError: the folder exists, or cannot be written.
        """
        refuse_existing(folder, force=force)
        staging = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        try:
            for name, content in {**self.files, "index.html": self.page().encode()}.items():
                file = staging / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            _move(staging, folder)
        except OSError as error:
            told = error.strerror or str(error)
            raise InputError(f"{folder}: cannot be written: {told}; nothing was written") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return folder / "index.html"

    def _figure(self, kind: str, content: bytes, caption: str, width: float) -> None:
        data = base64.b64encode(content).decode()
        text = html.escape(caption)
        self._parts.append(
            f'<figure style="max-width:{width:.0f}px"><img alt="{text}" '
            f'src="data:image/{kind};base64,{data}"><figcaption>{text}</figcaption></figure>'
        )


def refuse_existing(folder: Path, *, force: bool) -> None:
    """Refuse a folder that has files already; asked before long work too.

    Raises:
        InputError: it has, or is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give another --out")
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: already exists; give another --out, or --force to replace it")


def _move(staging: Path, folder: Path) -> None:
    if not folder.exists():
        staging.rename(folder)
        return
    for file in sorted(one for one in staging.rglob("*") if one.is_file()):
        target = folder / file.relative_to(staging)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)


def _shown(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
