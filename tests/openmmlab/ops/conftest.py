"""These tests call MMCV's own functions, which call this project's operators."""

import pytest

pytest.importorskip("mmcv", reason="the operators stand in for MMCV's")

from resblock_backbones.openmmlab.ops import install  # noqa: E402

install()
