"""ResNet backbones for dense prediction, built from one residual block."""

from .version import __version__

__all__ = ["__version__"]
