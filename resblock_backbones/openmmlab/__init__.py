"""FlexResNet in MMEngine, MMDetection and MMSegmentation."""

from . import ops
from .registry import BACKBONES

ops.install()

__all__ = ["BACKBONES"]
