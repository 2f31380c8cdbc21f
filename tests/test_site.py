"""The site: no page is forgotten, and its reference tells what the code is."""

import html
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import mkdocs_pages
from resblock_backbones.commands.table import COMMANDS
from resblock_backbones.files.shipped_configs import config_names

ROOT = Path(__file__).parents[1]
SITE = ROOT / "mkdocs.yml"

#: A shape, where a docstring tells one: `(N, C, H, W)`, `(K, 4)`.
SHAPE = re.compile(r"`\([A-Za-z0-9_]+, [^)]*\)`")


class _Loader(yaml.SafeLoader):
    """YAML with MkDocs' tags, which are of no interest here."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def pages_in(nav: list | dict | str) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages_in(part)]


def test_every_page_of_docs_is_in_the_navigation_of_mkdocs_yml_once():
    site = yaml.load(SITE.read_text(), _Loader)
    listed = pages_in(site["nav"])
    written = {file.relative_to(ROOT / "docs").as_posix() for file in ROOT.glob("docs/**/*.md")}
    generated = {*mkdocs_pages.AT_THE_TOP, *mkdocs_pages.NOTEBOOKS, mkdocs_pages.INDEX}
    generated |= {f"reference/{name}.md" for name in ("options", "commands", "configs")}
    written -= set(site["exclude_docs"].split())
    assert len(listed) == len(set(listed))
    assert not written - set(listed), "add these pages to nav in mkdocs.yml"
    assert set(listed) == written | generated


@pytest.fixture(scope="module")
def names():
    """Module and name of everything in an `__all__`; needs the libraries of all adapters."""
    for library in ("mmdet", "timm", "transformers", "segmentation_models_pytorch"):
        pytest.importorskip(library)
    return [(one, name) for one in mkdocs_pages.public_modules() for name in one.__all__]


@pytest.mark.slow
def test_every_public_name_is_on_a_page_of_the_reference(names):
    pages = mkdocs_pages.python_pages()
    for module, name in names:
        short = module.__name__.partition(".")[2] or "index"
        text = pages[f"reference/python/{short}.md"]
        assert re.search(rf"^(::: {re.escape(module.__name__)}\.|### ){name}\b", text, re.M), name


@pytest.mark.slow
def test_every_public_name_says_what_it_is(names):
    def told(module, name) -> str:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value):
            return inspect.getdoc(value) or ""
        return mkdocs_pages.comment_of(module, name)

    assert not [f"{one.__name__}.{name}" for one, name in names if len(told(one, name)) < 20]


def takes_tensors(value: object) -> bool:
    """Whether a function, or the forward pass of a module, has a tensor among its arguments."""
    if inspect.isclass(value):
        if not issubclass(value, torch.nn.Module):
            return False
        value = value.forward
    if not inspect.isroutine(value):
        return False
    arguments = inspect.signature(value).parameters.values()
    return any("Tensor" in str(one.annotation) for one in arguments)


@pytest.mark.slow
def test_public_docstrings_of_what_takes_tensors_tell_their_shapes(names):
    taking = {name: getattr(module, name) for module, name in names}
    taking = {name: value for name, value in taking.items() if takes_tensors(value)}
    assert len(taking) > 15
    assert not [name for name, one in taking.items() if not SHAPE.search(inspect.getdoc(one))]


def test_every_option_has_a_meaning_and_every_meaning_an_option():
    for owner in (mkdocs_pages.FlexResNet, mkdocs_pages.ResBlock):
        options = set(inspect.signature(owner.__init__).parameters) - {"self"}
        assert set(mkdocs_pages.option_meanings(owner)) == options
    assert mkdocs_pages.options_page().count("\n| `") > 70


HELP = """
import sys
from contextlib import suppress

sys.argv[0] = "resblock"
from resblock_backbones.commands.front import main

for name in sys.argv[1:]:
    with suppress(SystemExit):
        main([name, "--help"])
    print("-" * 9)
"""


def test_the_site_shows_the_help_that_each_command_prints():
    done = subprocess.run(
        [sys.executable, "-c", HELP, *COMMANDS],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": mkdocs_pages.COLUMNS, "NO_COLOR": "1"},
    )
    page = mkdocs_pages.commands_page()
    printed = done.stdout.split("-" * 9 + "\n")[:-1]
    assert len(printed) == len(COMMANDS) > 10
    for name, text in zip(COMMANDS, printed, strict=True):
        assert f"### resblock {name}\n\n```text\n{text.rstrip()}\n```\n" in page


def test_every_config_is_listed():
    text = mkdocs_pages.configs_page()
    assert not [name for name in config_names() if f"`{Path(name).stem}`" not in text]


def test_links_between_files_of_the_repository_lead_somewhere():
    made = {ROOT / "docs" / page for page in {*mkdocs_pages.AT_THE_TOP, *mkdocs_pages.NOTEBOOKS}}
    for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "configs/README.md"]:
        text = re.sub(r"^```.*?^```", "", file.read_text(), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s#]+)", text):
            if "://" not in target and "reference/" not in target:
                path = (file.parent / target).resolve()
                assert path.exists() or path in made, f"{file.name}: {target}"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    index = json.loads((tmp_path / "site/search/search_index.json").read_text())
    separator = re.compile(index["config"]["separator"])
    found = {"frozen_stages": "options/", "num_classes": "errors/", "mmcv._ext": "errors/"}
    for word, page in found.items():
        texts = [
            one["title"] + " " + one["text"] for one in index["docs"] if page in one["location"]
        ]
        text = html.unescape(re.sub("<[^>]+>", "", " ".join(texts)))
        assert word in separator.split(text), f"a search for {word} does not find {page}"
