"""MMCV's operators on the kernels that come with PyTorch and torchvision.

`install()` offers a module `mmcv._ext` to Python's import system, for installations whose MMCV
has no compiled one.  `table.OPERATORS` says which function stands for which operator.
"""

from .bridge import install, installed

__all__ = ["install", "installed"]
