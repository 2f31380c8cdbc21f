"""docs/options.md tells every option, with its default, and nothing that is not there."""

import inspect
import re
from pathlib import Path

import pytest

from resblock_backbones import FlexResNet

PAGE = (Path(__file__).parents[1] / "docs/options.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| `(.+?)` \| (each)? *\|.* \| ([^|]+) \|$", PAGE, re.MULTILINE)
OPTIONS = {
    name: parameter
    for name, parameter in inspect.signature(FlexResNet.__init__).parameters.items()
    if name != "self"
}


def test_every_option_is_on_the_page_once():
    assert sorted(name for name, *_ in ROWS) == sorted(OPTIONS)


@pytest.mark.parametrize(("name", "default"), [row[:2] for row in ROWS])
def test_the_page_tells_the_default(name, default):
    assert default == repr(OPTIONS[name].default)


@pytest.mark.parametrize("name", [row[0] for row in ROWS if row[2] == "each"])
def test_what_is_marked_each_takes_a_list(name):
    options = {"block": "bottleneck", "stage_blocks": 1, "base_channels": 8, "norm_eval": True}
    value = {"stage_with_dcn": False, "dilations": 1, "strides": 2}.get(name)
    if value is None:
        value = options.get(name, OPTIONS[name].default)
    assert len(FlexResNet(**options | {name: [value] * 4}).stages) == 4
    with pytest.raises(ValueError, match=name):
        FlexResNet(**options | {name: [value] * 3})


@pytest.mark.parametrize("package", ["mmdet", "mmseg"])
def test_the_page_names_whose_option_it_is(package):
    backbones = pytest.importorskip(f"{package}.models.backbones")
    theirs = set(inspect.signature(backbones.ResNet.__init__).parameters)
    if package == "mmdet":
        theirs |= set(inspect.signature(backbones.ResNeXt.__init__).parameters)
    theirs -= {"self", "kwargs"}
    mark = {"mmdet": "det", "mmseg": "seg"}[package]
    assert {name for name, _, _, origin in ROWS if mark in origin.split()} == theirs
