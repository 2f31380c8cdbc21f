"""The configs that come with the package: where they lie, and which one a name means.

In an installed package they are beside its rooms; in a checkout they are at its top.
"""

from __future__ import annotations

import difflib
import functools
from pathlib import Path

from ..options.errors import ConfigError

#: What stands before a name that is meant to be one of these, in a ``_base_`` too.
PREFIX = "resblock::"


@functools.cache
def configs_folder() -> Path:
    """The folder they lie in.

    Raises:
        ConfigError: the package was installed without them.

    >>> (configs_folder() / "_base_").is_dir()
    True
    """
    package = Path(__file__).parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "_base_/models/classifier_flexr.py").is_file():
            return folder
    raise ConfigError(f"{package}: was installed without its configs; reinstall it")


def config_files(folder: Path) -> list[Path]:
    """All configs in a folder but those that are parts of others (``_base_``)."""
    files = folder.glob("*/**/*.py")
    return sorted(file for file in files if "_base_" not in file.relative_to(folder).parts)


def config_names() -> list[str]:
    """The names of all of them, as they are written behind ``resblock::``.

    >>> "faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py" in config_names()
    True
    """
    folder = configs_folder()
    return [file.relative_to(folder).as_posix() for file in config_files(folder)]


def shipped_config(name: str) -> Path:
    """The file of one of them.

    Args:
        name: with or without ``resblock::``, its folder and ``.py``; parts in ``_base_`` by
            their whole name.

    Raises:
        ConfigError: there is none of this name; says the nearest.

    >>> shipped_config("faster-rcnn_flexr18-half_fpn_shapes").name
    'faster-rcnn_flexr18-half_fpn_shapes.py'
    """
    wanted = name.removeprefix(PREFIX).removesuffix(".py")
    whole = configs_folder() / f"{wanted}.py"
    if whole.is_file() and configs_folder() in whole.resolve().parents:
        return whole
    found = [one for one in config_names() if Path(one).stem == wanted]
    if len(found) == 1:
        return configs_folder() / found[0]
    raise ConfigError(f"{name}: no config of this name comes with the package{_near(wanted)}")


def find_config(given: str) -> str:
    """The file that a CONFIG of the command line means: the user's own, or one of these.

    Raises:
        ConfigError: ``given`` is a name alone, and neither.

    >>> Path(find_config("resblock::faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py")).is_file()
    True
    >>> find_config("configs/mine.py")
    'configs/mine.py'
    """
    if given.startswith(PREFIX):
        return str(shipped_config(given))
    if Path(given).is_file():
        return given
    try:
        return str(shipped_config(given))
    except ConfigError:
        # Whoever writes an existing folder means a file in it: who reads it names its neighbours.
        if Path(given).exists() or len(Path(given).parts) > 1 and Path(given).parent.is_dir():
            return given
    near = _near(given.removesuffix(".py"))
    if len(Path(given).parts) > 1 and not near:
        return given
    raise ConfigError(f"{given}: there is no such file{near}")


def _near(wanted: str) -> str:
    by_stem = {Path(name).stem: name for name in config_names()}
    close = difflib.get_close_matches(Path(wanted).name, list(by_stem), n=1)
    return f"; did you mean '{PREFIX}{by_stem[close[0]]}'?" if close else ""
