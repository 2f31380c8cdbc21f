"""A config as one file, with everything that it inherits."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from ...files.shipped_configs import PREFIX, configs_folder


def flat_config(file: Path) -> str:
    """The text of a config of the package, as one complete file.

    Args:
        file: the config.

    >>> file = configs_folder() / "faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"
    >>> flat_config(file).splitlines()[0]
    '# All of resblock::faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py in one file.'
    """
    name = file.relative_to(configs_folder()).as_posix()
    return f"# All of {PREFIX}{name} in one file.\n{Config.fromfile(file).pretty_text}"
