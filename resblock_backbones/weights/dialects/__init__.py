"""Families of checkpoints: a table of names for each."""

from .clip import CLIP
from .detectron2 import CAFFE2, DETECTRON2
from .dialect import Dialect
from .flex import FLEX
from .mmdet import MMDET, MMPRETRAIN
from .numbered import SEQUENTIAL, STEM_AND_POOLING, STEM_AND_STAGES
from .rt_detr import PRESNET
from .timm import TIMM
from .torchvision import SIDE_BY_SIDE, TORCHVISION
from .transformers import RESNET, RT_DETR

#: In order of precedence: the first that claims the names is taken.
DIALECTS: tuple[Dialect, ...] = (
    FLEX,
    CLIP,
    MMPRETRAIN,
    MMDET,
    SIDE_BY_SIDE,
    TIMM,
    TORCHVISION,
    DETECTRON2,
    CAFFE2,
    RESNET,
    RT_DETR,
    PRESNET,
    SEQUENTIAL,
    STEM_AND_POOLING,
    STEM_AND_STAGES,
)

__all__ = ["DIALECTS", "Dialect"]
