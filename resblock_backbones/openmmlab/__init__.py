"""FlexResNet in MMEngine, MMDetection and MMSegmentation."""

from . import ops

ops.install()  # before anything that imports mmcv.ops

from . import checkpoint, hooks  # noqa: E402
from .registry import BACKBONES  # noqa: E402

checkpoint.install()

__all__ = ["BACKBONES", "hooks"]
