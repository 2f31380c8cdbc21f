"""Settings are in setup.cfg; here is how the configs get into an installed package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Copies `configs/` into the package; an editable install finds it where it is."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        there = Path(self.build_lib, "resblock_backbones", "configs")
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree("configs", there, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithConfigs})
