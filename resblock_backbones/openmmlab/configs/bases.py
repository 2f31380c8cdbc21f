"""`_base_ = "resblock::..."`: configs that inherit from those of this package.

MMEngine finds `mmdet::...` in a table of OpenMMLab's packages, and gives what it reads there a
`_scope_` of that name, which says in whose registry its types are. There is no registry of ours:
a config of this package has its own `default_scope`, as one in the user's folder has.

The table has the names of distributions, of which the maintained MMSegmentation has another.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from mmengine.config import Config

from ...files.shipped_configs import PREFIX, shipped_config


def install() -> None:
    """Teach MMEngine the prefix, and the packages that are there; again, it changes nothing.

    >>> install()
    >>> path, scope = Config._get_cfg_path("resblock::_base_/default_runtime.py", "mine.py")
    >>> path.endswith("default_runtime.py"), scope
    (True, None)
    """
    theirs = Config._get_cfg_path
    if theirs.__module__ == __name__:
        return

    def with_ours(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(PREFIX):
            return str(shipped_config(cfg_path)), None
        try:
            return theirs(cfg_path, filename)
        except ModuleNotFoundError:
            scope, _, name = cfg_path.partition("::")
            file = _config_of_package(scope, name)
            if file is None:
                raise
            return str(file), scope

    Config._get_cfg_path = staticmethod(with_ours)


def _config_of_package(package: str, name: str) -> Path | None:
    """A config that an installed package brings, whatever its distribution is called."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder, ".mim", "configs", name)
        if file.is_file():
            return file
    return None
