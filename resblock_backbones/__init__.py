"""ResNet backbones for dense prediction, built from one residual block.

Needs torch and torchvision alone. With MMEngine installed, importing this package also registers
``FlexResNet``, so that ``backbone=dict(type='FlexResNet', ...)`` works in a config.
"""

import importlib.util
from typing import Any

from .deploy import ExportError, export, fuse, fuse_backbone
from .layers import ConvNxN, SpatialSeparableConvNxN, conv_norm
from .resnet.blocks import BottleneckResBlock, ResBlock
from .resnet.network import FlexResNet
from .version import __version__
from .weights import CheckpointError, LoadReport, load_weights

__all__ = [
    "BACKBONES",
    "BottleneckResBlock",
    "CheckpointError",
    "ConvNxN",
    "ExportError",
    "FlexResNet",
    "LoadReport",
    "ResBlock",
    "SpatialSeparableConvNxN",
    "__version__",
    "conv_norm",
    "export",
    "fuse",
    "fuse_backbone",
    "load_weights",
]

if importlib.util.find_spec("mmengine") is not None:
    from .openmmlab import BACKBONES
else:

    def __getattr__(name: str) -> Any:
        if name == "BACKBONES":
            raise ImportError(
                "BACKBONES is MMEngine's registry, and MMEngine is not installed: "
                "pip install 'resblock_backbones[onedl]'"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
