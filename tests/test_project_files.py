"""Workflows, hooks, forms and metadata agree with the Makefile, the pins and the version."""

import re
from pathlib import Path

import pytest
import yaml

from resblock_backbones import __version__

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = [file for file in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if file.stem != "config"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PINS = dict(
    line.split("==")
    for line in (ROOT / "requirements.txt").read_text().splitlines()
    if "==" in line and ";" not in line
)


def load(file: Path) -> dict:
    return yaml.safe_load(file.read_text())


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_run_targets_of_the_makefile(file):
    workflow = load(file)
    assert workflow["permissions"]["contents"] == "read"
    called = set()
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            for words in re.findall(r"\bmake((?: [a-z-]+)+)", step.get("run", "")):
                called |= set(words.split())
    assert called
    assert called <= TARGETS


def test_tests_run_on_the_pythons_that_the_package_names():
    matrix = load(ROOT / ".github/workflows/tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "setup.cfg").read_text())
    assert set(matrix["python-version"]) <= set(named)


def test_hooks_use_the_pinned_tools():
    hooks = [
        hook for repo in load(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]
    ]
    pinned = [one.split("==") for hook in hooks for one in hook["additional_dependencies"]]
    assert {version for name, version in pinned if name == "ruff"} == {PINS["ruff"]}


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_issue_forms_ask_for_the_doctor(file):
    form = load(file)
    assert {"name", "description", "body"} <= set(form)
    fields = {field["id"]: field for field in form["body"]}
    assert len(fields) == len(form["body"])
    assert "resblock doctor" in fields["doctor"]["attributes"]["label"]


def test_the_citation_names_the_version():
    citation = load(ROOT / "CITATION.cff")
    assert citation["version"] == __version__
    assert citation["authors"] == [{"name": "The resblock_backbones authors"}]


def test_the_changelog_keeps_its_form():
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert sections[0] == "Unreleased"
    assert __version__ in text
    kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
