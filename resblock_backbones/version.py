"""The version of this package, read by setup.cfg too."""

__version__ = "0.1.0"
