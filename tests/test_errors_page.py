"""docs/errors.md quotes errors as the installed libraries word them."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs/errors.md").read_text()

#: Words of the page -> where a library raises them.
WORDS = {
    "is not in the mmdet::model registry. Please check whether the value of": (
        "mmengine/registry/build_functions.py"
    ),
    "is correct or it was registered as expected.": "mmengine/registry/build_functions.py",
    "does not matches": "mmdet/engine/hooks/num_class_check_hook.py",
    "should be a tuple of str.Add comma if number of classes is 1 as": (
        "mmdet/engine/hooks/num_class_check_hook.py"
    ),
    "Package mmsegmentation is not installed.": "mmengine/utils/package_utils.py",
    "The testing results of the whole dataset is empty.": "mmdet/evaluation/metrics/coco_metric.py",
    "Results do not correspond to current coco set": "pycocotools/coco.py",
    "are not unique!": "mmdet/datasets/coco.py",
    "image file is truncated": "PIL/ImageFile.py",
    "Weights only load failed.": "torch/serialization.py",
    "The model and loaded state dict do not match exactly": "mmengine/runner/checkpoint.py",
    "unexpected key in source state_dict": "mmengine/runner/checkpoint.py",
    "missing keys in source state_dict": "mmengine/runner/checkpoint.py",
    "copying a param with shape": "torch/nn/modules/module.py",
    "the shape in current model is": "torch/nn/modules/module.py",
    "invalid hash value (expected": "torch/hub.py",
    "Expected more than 1 value per channel when training": "torch/nn/functional.py",
    "SyncBatchNorm expected input tensor to be on GPU or XPU or": "torch/nn/modules/batchnorm.py",
    "Exporting the operator": "torch/onnx/errors.py",
}


def as_printed(source: str) -> str:
    """Python source without what joins the parts of a message: quotes, `f`, new lines."""
    return re.sub(r"""['"]\s*(?:#.*)?\n\s*f?['"]""", "", source)


@pytest.mark.parametrize("words", WORDS)
def test_the_words_are_those_of_the_library(words):
    package, _, file = WORDS[words].partition("/")
    spec = find_spec(package)
    if spec is None:
        pytest.skip(f"{package} is not installed")
    source = as_printed((Path(spec.origin).parent / file).read_text())
    source = source.replace("{registry.scope}::{registry.name}", "mmdet::model")
    source = source.replace("{package}", "mmsegmentation").replace("{obj_type}", "FlexResNet")
    assert words in " ".join(PAGE.split())
    assert words in source


def test_every_error_says_what_changes_here_or_how_to_mend_it():
    entries = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    assert len(entries) > 30
    for entry in entries:
        words, _, told = entry.partition("\n\n")
        assert words.startswith("`")
        assert "*Here*: " in told or "a comma is missing" in told, words
