"""The feature tables name arguments that the libraries have, in the installed versions."""

import inspect
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from resblock_backbones import FlexResNet, __version__

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/comparison.md").read_text()
HEADINGS = ("The network", "In training")
#: Column of the page -> the module and the distribution that it was read in.
PACKAGES = {
    "timm": ("timm", "timm"),
    "torchvision": ("torchvision", "torchvision"),
    "MMDetection": ("mmdet", "onedl-mmdetection"),
    "smp": ("segmentation_models_pytorch", "segmentation-models-pytorch"),
}


def table(heading: str) -> list[list[str]]:
    """Cells of the table below a heading, the head of the columns first."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def arguments_of(*functions) -> set[str]:
    return {name for one in functions for name in inspect.signature(one).parameters}


def of_timm() -> set[str]:
    timm = pytest.importorskip("timm")
    from timm.models.resnet import Bottleneck, ResNet

    loaded = arguments_of(ResNet.__init__, Bottleneck.__init__, ResNet.set_grad_checkpointing)
    net = timm.create_model("resnet18", features_only=True, out_indices=(1, 2))
    assert net.feature_info.channels() == [64, 128]
    return loaded | {"features_only", "out_indices", ResNet.set_grad_checkpointing.__name__}


def of_torchvision() -> set[str]:
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.models.resnet import ResNet

    return arguments_of(ResNet.__init__, resnet_fpn_backbone)


def of_mmdetection() -> set[str]:
    pytest.importorskip("mmdet")
    from mmdet.models.backbones import ResNet, ResNeXt

    own = arguments_of(ResNet.__init__, ResNeXt.__init__)
    return own | {"efficient_conv_bn_eval"}


def of_smp() -> set[str]:
    smp = pytest.importorskip("segmentation_models_pytorch")
    return arguments_of(smp.encoders.get_encoder)


ARGUMENTS = {
    "this one": lambda: arguments_of(FlexResNet.__init__) | {"FlexResNet.plan_of"},
    "timm": of_timm,
    "torchvision": of_torchvision,
    "MMDetection": of_mmdetection,
    "smp": of_smp,
}


@pytest.mark.parametrize("column", ARGUMENTS)
def test_each_argument_of_a_column_is_one_of_the_library(column):
    known = ARGUMENTS[column]()
    named = 0
    for heading in HEADINGS:
        head, *rows = table(heading)
        for row in rows:
            assert len(row) == len(head), row
            names = re.findall(r"`([\w.]+)`", row[head.index(column)])
            assert set(names) <= known, row[0]
            named += len(names)
    assert named > 2


def test_no_dash_stands_where_the_library_has_an_argument_of_our_name():
    for column, known in ARGUMENTS.items():
        names = known()
        for heading in HEADINGS:
            head, *rows = table(heading)
            for row in rows:
                ours = re.findall(r"`(\w+)`", row[head.index("this one")])
                assert row[head.index(column)] != "-" or not set(ours) & names, (column, row[0])


def test_the_versions_are_the_installed_ones():
    assert f"| this one | {__version__} |" in PAGE
    for column, (module, package) in PACKAGES.items():
        pytest.importorskip(module)
        row = next(line for line in PAGE.splitlines() if re.match(rf"\| .*{column}", line))
        assert version(package).partition("+")[0] in row
