"""A start-up hook: MMCV's operators for programs that never import this package.

MMDetection's own ``tools/test.py`` imports ``mmdet.engine``, and with it ``mmcv.ops``, before it
reads the config whose ``custom_imports`` names this package. Python runs the lines of ``.pth``
files in site-packages when it starts (https://docs.python.org/3/library/site.html); the line
written here appends a finder that waits for ``mmcv._ext`` and imports this package only then.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

from ...files.whole import write_whole
from ...options.errors import InputError

FILE = "resblock_backbones_operators.pth"

#: One line, since each line of a .pth file is a program of its own. Where the package was
#: uninstalled and the file was left behind, it does nothing.
LINE = (
    "import sys; sys.meta_path.append(type('ResblockOperators', (), {'find_spec': "
    "lambda self, name, path=None, target=None: None if name != 'mmcv._ext' or "
    "not __import__('importlib.util').util.find_spec('resblock_backbones') else "
    "__import__('resblock_backbones.openmmlab') and None})())\n"
)


def hook_file(folder: Path | None = None) -> Path:
    """Where the hook is, or would be.

    Args:
        folder: of packages; default: that of this Python.
    """
    return (folder or Path(sysconfig.get_path("purelib"))) / FILE


def install_hook(folder: Path | None = None) -> Path:
    """Write the hook; again, it changes nothing. Returns its file.

    Raises:
        InputError: the folder cannot be written to.
    """
    file = hook_file(folder)
    try:
        write_whole(file, LINE.encode())
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {error.strerror}") from error
    return file


def remove_hook(folder: Path | None = None) -> bool:
    """Remove the hook. Returns whether there was one.

    Raises:
        InputError: it cannot be removed.
    """
    file = hook_file(folder)
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"{file}: cannot be removed: {error.strerror}") from error
    return True
