"""The code of the site's pages runs: block after block, as someone who copies it would.

A page runs in an empty folder. Blocks marked `python` and `sh` are run; those marked `py` and
`bash` are only shown: they name files of the reader's, download, or never end.
"""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from resblock_backbones.commands.front import main

ROOT = Path(__file__).parents[1]
PAGES = sorted(ROOT.glob("docs/**/*.md"))
NEEDS = re.compile(r"^# needs: (\w+)", re.MULTILINE)
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[tuple[list[str], int]]:
    """The words of each command of a block, without comments, and the status that it ends with."""
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (words, 2 if "# exit status 2" in line else 0)
        for line in lines
        if (words := shlex.split(line, comments=True))
    ]


def run_page(page: Path, replaced: dict[str, str] | None = None) -> dict[str, object]:
    """Run all blocks of a page in this folder; gives what its Python has defined.

    Some of its text may be replaced, so that a training is short.
    """
    names: dict[str, object] = {"__name__": "page"}
    whole = page.read_text()
    for old, new in (replaced or {}).items():
        whole = whole.replace(old, new)
    for language, text in BLOCK.findall(whole):
        if not all(map(find_spec, NEEDS.findall(text))):
            continue
        if language == "python":
            exec(compile(text, page.name, "exec"), names)
        for words, status in commands(text) if language == "sh" else ():
            assert main(words[1:]) == status, " ".join(words)
    return names


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """The working folder, with the checkout's configs and tools in it, and an empty cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for folder in ("configs", "tools"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    return tmp_path


def test_blocks_of_a_shell_hold_our_command_alone():
    for page in PAGES:
        for language, text in BLOCK.findall(page.read_text()):
            if language == "sh":
                assert {words[0] for words, _ in commands(text)} == {"resblock"}, f"{page}: {text}"


@pytest.mark.parametrize("name", ["index.md", "options.md", "adapters.md"])
def test_the_code_of_a_page_runs(empty_folder, name):
    run_page(ROOT / "docs" / name)


def test_the_code_of_the_page_about_export_runs(empty_folder):
    for library in ("mmdet", "onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library)
    names = run_page(ROOT / "docs/deploy.md")
    written = {file.name for file in Path().iterdir()}
    assert {"r18.pt2", "backbone.pt", "backbone.pt2", "backbone.onnx"} <= written
    assert [map.shape[1] for map in names["maps"]] == [64, 128, 256, 512]
    assert [tuple(feature.shape[2:]) for feature in names["features"]] == [
        (224 // stride, 224 // stride) for stride in (4, 8, 16, 32)
    ]
