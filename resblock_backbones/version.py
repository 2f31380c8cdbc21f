"""The version of this package, read by setup.cfg too."""

#: Of this package, as semver.org counts.
__version__ = "0.1.0"
