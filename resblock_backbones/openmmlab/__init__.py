"""FlexResNet in MMEngine, MMDetection and MMSegmentation."""

import importlib.util
from typing import Any

from . import ops

ops.install()  # before anything that imports mmcv.ops

if importlib.util.find_spec("mmengine") is not None:
    from .configs import bases
    from .models import checkpoint
    from .models.registry import BACKBONES
    from .training import hooks

    bases.install()
    checkpoint.install()

    __all__ = ["BACKBONES", "hooks"]
else:
    # Without it `python -m resblock_backbones.openmmlab` still says what is missing.
    def __getattr__(name: str) -> Any:
        if name in ("BACKBONES", "hooks"):
            raise ImportError(
                f"{name} needs MMEngine, which is not installed: "
                "pip install 'resblock_backbones[onedl]'"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
