"""A library that is missing names the extra that installs it."""

import importlib
import sys
from pathlib import Path

import pytest

from resblock_backbones import FlexResNet

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def without(monkeypatch):
    """Make a library one that is not installed, and forget the modules that have imported it."""

    def forget(library, *modules):
        for name in list(sys.modules):
            if name in modules or name.partition(".")[0] == library:
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, library, None)

    return forget


@pytest.mark.parametrize(
    ("library", "adapter"),
    [
        ("timm", "timm"),
        ("segmentation_models_pytorch", "smp"),
        ("transformers", "transformers"),
    ],
)
def test_an_adapter_says_how_to_install_its_library(library, adapter, without):
    name = f"resblock_backbones.adapters.{adapter}"
    without(library, name)
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(name)
    way_out = f"pip install 'resblock_backbones[{adapter}]'"
    assert str(caught.value) == f"{library} is not installed: {way_out}"
    assert caught.value.name == library


@pytest.mark.parametrize("library", ["huggingface_hub", "safetensors"])
def test_so_do_folders_and_the_hub(library, without, tmp_path):
    without(library)
    net = FlexResNet(18, base_channels=4)
    calls = [
        lambda: net.save_pretrained(tmp_path / "new"),
        lambda: net.push_to_hub("me/net"),
        lambda: FlexResNet.from_pretrained("me/net"),
    ]
    for call in calls:
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'resblock_backbones\[hub\]'"):
            call()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("library", "example"),
    [("lightning", "faster_rcnn_lightning"), ("pycocotools", "faster_rcnn")],
)
def test_so_do_the_examples(library, example, without, monkeypatch):
    pytest.importorskip("pycocotools")
    monkeypatch.syspath_prepend(EXAMPLES)
    without(library, "faster_rcnn", "faster_rcnn_lightning")
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(example)
    way_out = "pip install 'resblock_backbones[lightning]'"
    assert str(caught.value) == f"{library} is not installed: {way_out}"


def test_another_module_that_is_missing_stays_the_error(without):
    without("timm.layers", "resblock_backbones.adapters.timm")
    with pytest.raises(ModuleNotFoundError, match="timm"):
        importlib.import_module("resblock_backbones.adapters.timm")
