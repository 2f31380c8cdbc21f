"""The import hook that provides `mmcv._ext` where no compiled one exists.

MMCV loads its operators with `importlib.import_module('mmcv._ext')` and asks
`importlib.util.find_spec` whether they exist.  Both go through `sys.meta_path`, so a finder at its
*end* is asked only after the ordinary ones have found no compiled module: a compiled one takes
precedence without any comparison of versions or paths.
"""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

EXTENSION = "mmcv._ext"
SWITCH = "RESBLOCK_MMCV_OPS"


class OperatorFinder(MetaPathFinder):
    """Finds `mmcv._ext` and nothing else, without importing anything."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != EXTENSION:
            return None
        return ModuleSpec(fullname, OperatorLoader(), origin="resblock_backbones.openmmlab.ops")


class OperatorLoader(Loader):
    """Fills the module from the operator table, which is imported only here."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None  # the default: an ordinary module with its __spec__

    def exec_module(self, module: ModuleType) -> None:
        from .corrections import install_corrections
        from .kernel import as_kernel
        from .table import INFORMATION, OPERATORS

        module.__doc__ = "MMCV's operators on PyTorch's and torchvision's kernels."
        for name, function in OPERATORS.items():
            setattr(module, name, as_kernel(function))
        for name, answer in INFORMATION.items():
            setattr(module, name, answer)
        # Each module of mmcv.ops asserts on import that its functions exist, used or not.
        module.__dict__["__getattr__"] = missing_operator
        # MMCV's first operator asks for this module before the corrected ones are imported.
        install_corrections()


def missing_operator(name: str) -> Callable[..., Any]:
    """A function in place of operator `name`, which raises NotImplementedError when called.

    Raises:
        AttributeError: `name` is private, so it is not an operator (Python itself asks modules for
            names such as `__path__`).
    """
    if name.startswith("_"):
        raise AttributeError(f"module {EXTENSION!r} has no attribute {name!r}")

    def missing(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"MMCV's operator {name!r} is not among those that resblock_backbones runs on "
            "torchvision's kernels. Install a compiled MMCV for this PyTorch, which is then used "
            "automatically, or open an issue at resblock_backbones that names the operator."
        )

    missing.__name__ = missing.__qualname__ = name
    return missing


def switched_off() -> bool:
    """Whether the environment variable RESBLOCK_MMCV_OPS disables the import hook."""
    return os.environ.get(SWITCH, "on").strip().lower() in {"off", "0", "false", "no"}


def installed() -> bool:
    """Whether the import hook is installed (a compiled `mmcv._ext` still takes precedence)."""
    return any(isinstance(finder, OperatorFinder) for finder in sys.meta_path)


def is_imported_too_late() -> bool:
    """Whether MMDetection or MMSegmentation has already been imported without the operators.

    Their modules import `mmcv.ops` once; if that fails, they use placeholders that raise.
    """
    users = ("mmdet.structures.mask", "mmdet.models", "mmseg.models")
    return "mmcv.ops" not in sys.modules and any(name in sys.modules for name in users)


def install() -> bool:
    """Install the import hook for `mmcv._ext`; calling it again changes nothing.

    Returns:
        Whether it is installed: False with RESBLOCK_MMCV_OPS=off.

    Warns:
        UserWarning: MMDetection was imported first, and found no operators.

    >>> install() and install()
    True
    """
    if switched_off():
        return False
    if is_imported_too_late():
        warnings.warn(
            "mmdet or mmseg was imported before resblock_backbones and found no operators of MMCV; "
            "put `import resblock_backbones` before them",
            stacklevel=2,
        )
    if not installed():
        sys.meta_path.append(OperatorFinder())
    return True
