"""FlexResNet in torchvision's detectors and segmentation models; needs torch and torchvision."""

from .detection import FlexResNetFPN
from .segmentation import SegmentationModel, deeplabv3, fcn

__all__ = ["FlexResNetFPN", "SegmentationModel", "deeplabv3", "fcn"]
