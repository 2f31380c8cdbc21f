"""Families of checkpoints: one small table of names for each."""

from .detectron2 import CAFFE2, DETECTRON2
from .dialect import Dialect
from .flex import FLEX
from .mmdet import MMDET, MMPRETRAIN
from .timm import TIMM
from .torchvision import TORCHVISION

#: In the order in which they are asked whether names are theirs.
DIALECTS: tuple[Dialect, ...] = (
    FLEX,
    MMPRETRAIN,
    MMDET,
    TIMM,
    TORCHVISION,
    DETECTRON2,
    CAFFE2,
)

__all__ = ["DIALECTS", "Dialect"]
