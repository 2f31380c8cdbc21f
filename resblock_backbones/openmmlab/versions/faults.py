"""What is wrong with the packages that are installed, and the cure of each fault.

Nothing here needs a package to be whole, and nothing imports torch before it has to.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

from ...options.torch_version import refuse_old_torch
from ..ops.bridge import EXTENSION

#: The distributions that all bring `cv2`, into one folder.
OPENCV = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)

#: What a missing library of the system is called in the message of the loader.
SYSTEM_LIBRARY = re.compile(r"lib(GL|gthread|glib|SM|Xext|Xrender|X11|xcb)[\w.-]*\.so")

#: What to import of each package: the part that brings in what it needs itself.
PROBES = {"torch": "torch", "torchvision": "torchvision", "mmengine": "mmengine.runner"}
PROBES |= {"mmcv": "mmcv", "mmdet": "mmdet", "mmseg": "mmseg"}


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with what is installed.

    Attributes:
        what: what is wrong, in one line.
        cure: what to type or do.
    """

    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.what}; {self.cure}"


def find_faults() -> list[Fault]:
    """All faults that can be told apart, each once."""
    found = [_old_torch(), _other_torchvision(), _no_pkg_resources(), *map(import_fault, PROBES)]
    # One broken package keeps those above it from being imported too.
    by_cure: dict[str, Fault] = {}
    for fault in found:
        if fault is not None:
            by_cure.setdefault(fault.cure, fault)
    return list(by_cure.values())


def first_fault(names: Sequence[str]) -> Fault | None:
    """What keeps the first of these packages that cannot be imported from it.

    Args:
        names: import names, as in `PROBES`; those that are not installed are left out.
    """
    return next((fault for name in names if (fault := import_fault(name)) is not None), None)


def import_fault(name: str) -> Fault | None:
    """Import a package, and explain why that fails where it does.

    Args:
        name: as in `PROBES`; of MMCV, compiled operators are imported too where there are any.
    """
    if importlib.util.find_spec(name) is None:
        return None
    try:
        package = importlib.import_module(PROBES[name])
        if name == "mmcv" and PathFinder.find_spec(EXTENSION, getattr(package, "__path__", [])):
            importlib.import_module(EXTENSION)
    except Exception as error:  # what a broken package raises on import is anything
        return explain(name, error)
    return None


def explain(name: str, error: BaseException) -> Fault:
    """The fault behind an exception that was raised when a package was imported.

    >>> print(explain("mmengine", ModuleNotFoundError("...", name="pkg_resources")).cure)
    pip install 'setuptools<82'
    """
    known = known_fault(error)
    if known is not None:
        return known
    reason = _one_line(error)
    what = f"{name} cannot be imported ({type(error).__name__}: {reason})"
    if re.search("torchvision::|torchvision.*_C", reason):
        return Fault(what, _torchvision_cure())
    if "multiarray" in reason or "_ARRAY_API" in reason:
        return Fault(what, "it was built for NumPy 1: upgrade it, or pip install 'numpy<2'")
    if isinstance(error, ModuleNotFoundError) and error.name and error.name != name:
        return Fault(what, f"pip install {error.name.partition('.')[0]}")
    if "MMCV==" in reason and "incompatible" in reason:
        return Fault(what, "it refuses other versions of MMCV: pip install mmcv-lite==2.1.0")
    owner = next(iter(metadata.packages_distributions().get(name, [])), name)
    return Fault(what, f"pip install --force-reinstall --no-deps {owner}")


def known_fault(error: BaseException) -> Fault | None:
    """The fault behind an exception, where it is one that these packages are known for."""
    chain = list(_chain(error))
    missing = [one.name for one in chain if isinstance(one, ImportError) and one.name]
    files = [
        Path(frame.filename) for one in chain for frame in traceback.extract_tb(one.__traceback__)
    ]
    if "pkg_resources" in missing:
        return _without_pkg_resources()
    if EXTENSION in missing or any(file.name.split(".")[0] == "_ext" for file in files):
        return _compiled_mmcv(_one_line(error))
    if "cv2" in missing or any("cv2" in file.parts for file in files):
        return _opencv(_one_line(error))
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def opencv_packages() -> dict[str, str]:
    """The installed distributions that bring `cv2`, and their versions."""
    return {name: version for name in OPENCV if (version := _version(name)) is not None}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _old_torch() -> Fault | None:
    version = _version("torch")
    try:
        if version is not None:
            refuse_old_torch(version)
    except ImportError as error:
        what, _, cure = str(error).rpartition("; ")
        return Fault(what, cure)
    return None


def _other_torchvision() -> Fault | None:
    """Each torchvision is built for one version of PyTorch, and says for which."""
    torch, torchvision = _version("torch"), _version("torchvision")
    if torch is None or torchvision is None:
        return None
    wanted = [
        found[1]
        for one in metadata.requires("torchvision") or []
        if (found := re.match(r"torch\s*\(?==\s*([\d.]+)", one))
    ]
    if not wanted or _numbers(torch) == _numbers(wanted[0]):
        return None
    what = f"torchvision {torchvision} belongs to torch {wanted[0]}, and torch {torch} is installed"
    return Fault(what, _torchvision_cure())


def _numbers(version: str) -> list[str]:
    """``2.10`` and ``2.10.0+cpu`` are the same."""
    numbers = version.split("+")[0].split(".")
    return numbers + ["0"] * (3 - len(numbers))


def _torchvision_cure() -> str:
    return "pip install --upgrade torch torchvision, both from one index"


def _no_pkg_resources() -> Fault | None:
    """MMEngine 0.10.7 imports a module that setuptools had until version 81."""
    mmengine = importlib.util.find_spec("mmengine")
    if mmengine is None or mmengine.origin is None or importlib.util.find_spec("pkg_resources"):
        return None
    asks = Path(mmengine.origin).parent / "utils" / "package_utils.py"
    if not asks.is_file() or "import pkg_resources" not in asks.read_text(encoding="utf-8"):
        return None
    return _without_pkg_resources()


def _without_pkg_resources() -> Fault:
    setuptools = _version("setuptools")
    has = f"setuptools {setuptools} has no longer" if setuptools else "setuptools brought until 82"
    return Fault(
        f"MMEngine {_version('mmengine') or ''} imports pkg_resources, which {has}, for a "
        "`_base_` in another package",
        "pip install 'setuptools<82'",
    )


def _opencv(reason: str) -> Fault:
    there = opencv_packages()
    what = f"OpenCV (cv2) cannot be imported ({reason})"
    if len(there) > 1:
        what += f": {' and '.join(there)} share one folder, and each breaks the other"
    elif SYSTEM_LIBRARY.search(reason):
        what += ": it needs a library of the window system"
    # The one without a window system needs no libGL.
    version = next(iter(there.values()), "")
    install = "opencv-python-headless" + (f"=={version}" if version else "")
    cure = f"pip install --no-deps {install}"
    if there:
        cure = f"pip uninstall -y {' '.join(there)} && {cure}"
    if SYSTEM_LIBRARY.search(reason):
        cure += " (or as administrator: apt-get install libgl1 libglib2.0-0)"
    return Fault(what, cure)


def _compiled_mmcv(reason: str) -> Fault:
    return Fault(
        f"MMCV has compiled operators that do not load here ({reason})",
        "reinstall that MMCV for this PyTorch, or delete its "
        f"{EXTENSION.rpartition('.')[2]} file for those of resblock_backbones",
    )
