"""The operators come before everything that looks for them."""

import pytest
from small_segmentation import write_config

import resblock_backbones  # noqa: F401


@pytest.fixture
def small_config(tmp_path, monkeypatch):
    """A config that trains in a second, in an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return write_config(tmp_path).name
