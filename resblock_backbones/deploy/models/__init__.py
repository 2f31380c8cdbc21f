"""Whole models as files, from the image to what is in it."""

from .kinds import KINDS
from .torchvision_kind import torchvision_model

KINDS.append(torchvision_model)
