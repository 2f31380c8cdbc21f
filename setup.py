"""Settings are in setup.cfg; this file serves tools that look for a setup.py."""

from setuptools import setup

setup()
