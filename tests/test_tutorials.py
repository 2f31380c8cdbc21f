"""Every tutorial runs from its first block to its last one, with small numbers."""

from pathlib import Path

import pytest
from test_page_code import ROOT, empty_folder, run_page  # noqa: F401

FOLDER = ROOT / "docs/tutorials"
SMALL = {"--train 200 --val 50": "--train 12 --val 4", "--train 300 --val 60": "--train 16 --val 9"}
#: Page -> what is written in it, and what the test runs in its place.
TINY = {
    "own-data.md": {"--epochs 12": "--epochs 1", "epoch_12": "epoch_1"},
    "mmdetection.md": {},
    "deeplab.md": {"--epochs 10": "--epochs 2"},
    "plain-pytorch.md": {
        "epochs, batch = 12, 8": "epochs, batch = 6, 8",
    },
    "retrieval.md": {"epochs = 8": "epochs = 1"},
    # A quarter of the channels, and a small head: the whole detector is in memory several times.
    "from-resnet.md": {
        "model = dict(backbone=dict(init_cfg=None))": """model = dict(
    backbone=dict(base_channels=16, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512]),
    roi_head=dict(bbox_head=dict(fc_out_channels=64)),
)""",
        "FlexResNet(50, ": "FlexResNet(50, base_channels=16, ",
    },
    "options.md": {},
}


def test_every_tutorial_is_run():
    assert set(TINY) == {page.name for page in FOLDER.glob("*.md")}


def test_the_numbers_that_are_replaced_stand_in_the_pages():
    for name, replaced in TINY.items():
        assert not [old for old in replaced if old not in (FOLDER / name).read_text()], name


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_a_tutorial_runs(empty_folder, name):  # noqa: F811
    pytest.importorskip("mmdet")
    pytest.importorskip("onnxscript")
    names = run_page(FOLDER / name, SMALL | TINY[name])
    if name == "own-data.md":
        assert Path("predictions/predictions.json").is_file() and "found" in names
    if name == "deeplab.md":
        assert len(list(Path("predictions/labels").glob("*.png"))) == 4
    if name == "retrieval.md" and "right" in names:
        assert names["right"].float().mean() > 0.1
