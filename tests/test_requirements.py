"""`make setup` installs one version of each package on every Python that the README names.

The site is built with Python 3.11 and later.
"""

from collections import Counter
from pathlib import Path

import pytest

requirements = pytest.importorskip("packaging.requirements")

LINES = (Path(__file__).parents[1] / "requirements.txt").read_text().splitlines()


OF_THE_SITE = {"mkdocs-material", "mkdocstrings", "mkdocstrings-python"}


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_each_package_has_one_version(python):
    found = [requirements.Requirement(line) for line in LINES if not line.startswith("#")]
    chosen = [
        one.name
        for one in found
        if one.marker is None or one.marker.evaluate({"python_version": python})
    ]
    missing = OF_THE_SITE if python == "3.10" else set()
    assert Counter(chosen) == Counter({one.name for one in found} - missing)
