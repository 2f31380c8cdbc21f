"""Pages of the site that are made: of Python names, options, commands, configs, and notebooks.

MkDocs calls `on_files` as a hook (see mkdocs.yml), each time it builds the site.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import os
import pkgutil
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import resblock_backbones
from resblock_backbones import FlexResNet, ResBlock
from resblock_backbones.commands.front import main
from resblock_backbones.commands.table import GROUPS

ROOT = Path(__file__).parent
PACKAGE = resblock_backbones.__name__
PACKAGE_FOLDER = ROOT / PACKAGE
INDEX = "reference/python/index.md"  # of the package itself
COLUMNS = "90"  # the width of help texts

#: Pages that lie at the top of the repository, where its hosts look for them.
AT_THE_TOP = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}

#: Notebooks in docs/, and the pages that show their cells.
NOTEBOOKS = {"tutorials/notebook.md": "notebooks/mmdetection.ipynb"}


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those in docs/."""
    from mkdocs.structure.files import File

    pages = generated_pages()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    config.nav = _with_all_modules(config.nav, [name for name in pages if "/python/" in name])
    return files


def _with_all_modules(nav: Any, pages: list[str]) -> Any:
    """The navigation, with the page of every module where the first of them stands."""
    if isinstance(nav, list):
        if INDEX in nav:
            return [INDEX, *({_module(one): one} for one in pages if one != INDEX)]
        return [_with_all_modules(one, pages) for one in nav]
    if isinstance(nav, dict):
        return {title: _with_all_modules(one, pages) for title, one in nav.items()}
    return nav


def _module(page: str) -> str:
    return Path(page).name.removesuffix(".md")


def generated_pages() -> dict[str, str]:
    """Name of each generated page -> its Markdown."""
    pages = {name: _of_the_top((ROOT / file).read_text()) for name, file in AT_THE_TOP.items()}
    pages |= {name: notebook_page(ROOT / "docs" / file) for name, file in NOTEBOOKS.items()}
    pages["reference/options.md"] = options_page()
    pages["reference/commands.md"] = commands_page()
    pages["reference/configs.md"] = configs_page()
    return pages | python_pages()


def _of_the_top(text: str) -> str:
    """Links as they are from docs/: to pages of the site, or none where it has no such page."""
    names = {file: name for name, file in AT_THE_TOP.items()}

    def link(found: re.Match[str]) -> str:
        label, target = found.groups()
        if "://" in target or target.startswith("#"):
            return found.group()
        if target in names:
            return f"[{label}]({names[target]})"
        if target.startswith("docs/") and (ROOT / target).is_file():
            return f"[{label}]({target.removeprefix('docs/')})"
        return label if "`" in label else f"`{label}`"

    return re.sub(r"\[([^]]+)\]\(([^)\s]+)\)", link, text)


def notebook_page(file: Path) -> str:
    """The cells of a notebook as a page, with a link to the file below its title."""
    title, *cells = json.loads(file.read_text())["cells"]
    heading, _, rest = "".join(title["source"]).partition("\n")
    parts = [heading, f"[Download the notebook](../notebooks/{file.name}){{ download }}", rest]
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```py\n{text}\n```")
    return "\n\n".join([*parts, ""])


# --- Python -----------------------------------------------------------------------------------


def public_modules() -> list[ModuleType]:
    """The modules with an `__all__`: the package itself, then its rooms in alphabetical order."""
    found = [resblock_backbones]
    for info in pkgutil.walk_packages(resblock_backbones.__path__, f"{PACKAGE}."):
        source = Path(importlib.util.find_spec(info.name).origin).read_text()
        if re.search(r"^__all__", source, re.MULTILINE):
            found.append(importlib.import_module(info.name))
    return found


def python_pages() -> dict[str, str]:
    """A page for each public module: every name in its `__all__`, in full where it is first met."""
    pages: dict[str, str] = {}
    homes: dict[int, str] = {}
    listed = []
    for module in public_modules():
        short = module.__name__.removeprefix(PACKAGE).lstrip(".") or "index"
        page = f"reference/python/{short}.md"
        lines = [f"# {module.__name__}", "", _first_line(module), ""]
        for name in sorted(module.__all__, key=str.lower):
            value = getattr(module, name)
            lines += [*_entry(module, name, value, homes), ""]
            if _is_documented_by_itself(value):
                homes.setdefault(id(value), f"{module.__name__}.{name}")
        pages[page] = "\n".join(lines)
        listed.append(f"| [{module.__name__}]({short}.md) | {_first_line(module)} |")
    pages["reference/python/index.md"] += "\n".join(
        ["", "## Rooms of the package", "", "| module | |", "|---|---|", *listed[1:], ""]
    )
    return pages


def _first_line(module: ModuleType) -> str:
    return (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ")


def _is_documented_by_itself(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isroutine(value)


def _entry(module: ModuleType, name: str, value: Any, homes: dict[int, str]) -> list[str]:
    whole = f"{module.__name__}.{name}"
    if inspect.ismodule(value):
        return [f"### {name}", "", _first_line(value)]
    if not _is_documented_by_itself(value):
        return [f"### {name} {{ #{whole} }}", "", *_value(module, name, value)]
    if id(value) in homes:
        return [f"### {name}", "", f"The same as [`{homes[id(value)]}`][{homes[id(value)]}]."]
    return [f"::: {whole}"]


def _value(module: ModuleType, name: str, value: Any) -> Iterator[str]:
    """What is said of a constant where it is defined, and the value where it is short."""
    yield comment_of(module, name)
    text = repr(value)
    if len(text) < 200 and "<" not in text:
        yield from ("", "```python", f"{name} = {text}", "```")


def comment_of(module: ModuleType, name: str) -> str:
    """The comment `#:` above the line that defines a constant, in this module or another; or ''."""
    own = Path(str(module.__file__))
    files = [own, *sorted(own.parent.rglob("*.py")), *sorted(PACKAGE_FOLDER.rglob("*.py"))]
    for file in files:
        found = re.search(rf"((?:^#:.*\n)+)^{name}\b", file.read_text(), re.MULTILINE)
        if found:
            return " ".join(line.lstrip("#: ") for line in found.group(1).splitlines())
    return ""


# --- Options ----------------------------------------------------------------------------------


def options_page() -> str:
    """Every option of the network and of the block, with type, default and what it does."""
    lines = [
        "# Every option, from the code",
        "",
        "Written from the signatures and docstrings. Options marked * take one value for the",
        "whole network, or one per stage. [Options of the network](../options.md) groups them,",
        "says where each comes from and which exclude each other.",
    ]
    for owner in (FlexResNet, ResBlock):
        lines += [
            "",
            f"## {owner.__name__}",
            "",
            "| option | type | default | |",
            "|---|---|---|---|",
        ]
        meanings = option_meanings(owner)
        for name, parameter in inspect.signature(owner.__init__).parameters.items():
            if name == "self":
                continue
            star, meaning = meanings[name]
            default = (
                "required" if parameter.default is parameter.empty else f"`{parameter.default!r}`"
            )
            kind = escape(str(parameter.annotation)).replace("|", "&#124;")
            lines.append(f"| `{name}`{star} | <code>{kind}</code> | {default} | {meaning} |")
    return "\n".join([*lines, ""])


def option_meanings(owner: type) -> dict[str, tuple[str, str]]:
    """Name of each argument in a class's docstring -> its mark, if any, and what it does."""
    section = re.search(r"^Args:\n(.*?)\n\n", inspect.getdoc(owner), re.MULTILINE | re.DOTALL)
    found = {}
    for entry in re.split(r"\n(?=    \S)", section.group(1)):
        names, _, meaning = " ".join(entry.split()).partition(": ")
        for name in names.split(", "):
            star = "\\*" if name.endswith("*") else ""
            found[name.rstrip("*")] = (star, meaning.replace("|", "\\|").replace("``", "`"))
    return found


# --- Commands and configs ---------------------------------------------------------------------


def commands_page() -> str:
    """What `resblock COMMAND --help` prints, for each command."""
    lines = ["# Commands", "", "What `resblock` prints, and each command with `--help`.", ""]
    lines += ["```text", help_text(), "```"]
    for heading, rows in GROUPS.items():
        lines += ["", f"## {heading[0].upper()}{heading[1:]}"]
        for name in rows:
            lines += ["", f"### resblock {name}", "", "```text", help_text(name), "```"]
    return "\n".join([*lines, ""])


def help_text(*command: str) -> str:
    """What a command prints with `--help`, in a terminal of `COLUMNS` characters."""
    screen = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": COLUMNS, "NO_COLOR": "1"}),
        contextlib.redirect_stdout(screen),
        contextlib.suppress(SystemExit),
    ):
        main([*command, "--help"])
    return screen.getvalue().rstrip("\n")


def configs_page() -> str:
    """The page of configs/, whose links lead to files that the site does not have."""
    text = (ROOT / "configs/README.md").read_text()
    return re.sub(r"\[([^]]+)\]\((?!https?:)[^)]+\)", r"`\1`", text)
