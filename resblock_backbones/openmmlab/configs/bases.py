"""`_base_ = "resblock::..."`: configs that inherit from those that come with this package.

MMEngine finds `mmdet::...` in a table of OpenMMLab's packages, and gives what it reads there a
`_scope_` of that name, which says in whose registry its types are. There is no registry of ours:
a config of this package has its own `default_scope`, as one in the user's folder has.
"""

from __future__ import annotations

from mmengine.config import Config

from ...files.shipped_configs import PREFIX, shipped_config


def install() -> None:
    """Teach MMEngine the prefix; a second call changes nothing.

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
        return theirs(cfg_path, filename)

    Config._get_cfg_path = staticmethod(with_ours)
