"""MMCV's operators on the kernels that come with PyTorch and torchvision.

`install()` provides a module `mmcv._ext` through Python's import system, for installations whose
MMCV has no compiled one.  `table.OPERATORS` maps each operator to its function.
"""

from .bridge import install, installed

__all__ = ["install", "installed"]
