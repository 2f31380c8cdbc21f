"""Each command line that a page shows is one that its program takes.

Those of `resblock` are read by the command's own parser, without running it; `pip install` names
extras that exist, `make` targets, and `python` files of the repository with options that they have.
"""

import configparser
import importlib
import re
import shlex
from pathlib import Path

import pytest
from test_page_code import PAGES

from resblock_backbones.commands.front import main
from resblock_backbones.commands.table import COMMANDS

ROOT = Path(__file__).parents[1]
ALL = [*PAGES, *ROOT.glob("*.md"), ROOT / "configs/README.md"]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
RUN_BY_OTHERS = {"torchrun", "srun", "mpirun"}
#: Programs that are not this project's: what is said of them is checked where it can be.
FOREIGN = {"pip", "make", "python", *RUN_BY_OTHERS}


def lines_of(text: str) -> list[list[str]]:
    """The words of each line of a shell's block, without comments."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


def shown(page: Path) -> list[list[str]]:
    """The command lines of a page's blocks."""
    return [
        words
        for language, block in FENCED.findall(page.read_text())
        if language in ("sh", "bash") or block.startswith(("resblock ", "pip "))
        for words in lines_of(block)
    ]


def mentioned(page: Path) -> list[list[str]]:
    """`resblock ...` with arguments in the text of a page, which may leave out what is clear."""
    codes = (" ".join(code.split()) for code in INLINE.findall(FENCED.sub("", page.read_text())))
    return [shlex.split(code) for code in codes if re.match(r"resblock \w+ ", code)]


def test_pages_show_no_program_that_is_not_checked():
    assert {words[0] for page in ALL for words in shown(page)} <= {"resblock", *FOREIGN}


@pytest.fixture
def parsers(monkeypatch):
    """Commands parse their arguments, and do nothing."""
    pytest.importorskip("mmengine")
    for row in COMMANDS.values():
        module = importlib.import_module(f"resblock_backbones.commands.{row.module}")
        monkeypatch.setattr(module, "run", lambda given: 0)


def arguments_in(words: list[str]) -> list[str]:
    """What follows `resblock`, up to where the output goes."""
    words = words[words.index("resblock") + 1 :]
    return words[: words.index(">")] if ">" in words else words


def refusal(words: list[str], capsys) -> str:
    """What a command says against its arguments; nothing where it takes them."""
    try:
        status = main(words)
    except SystemExit as stopped:  # argparse
        status = stopped.code
    told = capsys.readouterr().err.strip()
    return told.splitlines()[-1] if status else ""


def test_each_command_line_is_read_by_its_command(parsers, capsys):
    lines = [arguments_in(words) for page in ALL for words in shown(page) if "resblock" in words]
    assert len(lines) > 40
    assert not [told for words in lines if (told := refusal(words, capsys))]


def test_each_command_in_a_sentence_has_the_options_that_are_said(parsers, capsys):
    lines = [arguments_in(words) for page in ALL for words in mentioned(page)]
    assert len(lines) > 10
    for name, *rest in lines:
        told = refusal([name, *rest], capsys)
        if "arguments are required" in told:
            with pytest.raises(SystemExit):
                main([name, "--help"])
            text = capsys.readouterr().out
            assert not [one for one in rest if one.startswith("-") and one not in text], name
        else:
            assert not told


def test_a_command_line_that_is_wrong_is_found(parsers):
    with pytest.raises(SystemExit):
        main(["train", "--no-such-option"])
    assert main(["trian", "config.py"]) == 2


def test_what_pip_installs_are_extras_and_known_packages():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = set(setup["options.extras_require"])
    named = re.findall(r"resblock_backbones\[([\w,]+)\]", "\n".join(one.read_text() for one in ALL))
    assert len(named) > 10
    assert {one for names in named for one in names.split(",")} <= extras


def test_make_has_the_targets_that_pages_name():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[1] for page in ALL for words in shown(page) if words[0] == "make"}
    for page in ALL:
        named |= set(re.findall(r"`make ([a-z-]+)", page.read_text()))
    assert {"train", "test", "docs"} <= named <= targets


def test_scripts_that_pages_start_exist_with_the_options_named():
    started = [words for page in ALL for words in shown(page) if words[0] == "python"]
    for page in ALL:
        started += [code.split() for code in re.findall(r"`(python \w+/[^`]+)`", page.read_text())]
    assert len(started) > 3
    for _, script, *options in started:
        source = (ROOT / script).read_text()
        assert not [one for one in options if one.startswith("-") and f'"{one}"' not in source]
