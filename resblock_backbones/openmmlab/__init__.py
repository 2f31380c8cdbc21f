"""FlexResNet in MMEngine, MMDetection and MMSegmentation."""

import importlib.util
import warnings
from typing import Any

from . import ops

ops.install()  # before anything that imports mmcv.ops

__all__: list[str] = []

#: Why nothing is registered with MMEngine; empty where all is well.
REFUSAL = ""


def _config_model(model: str, checkpoint: str | None, **options: Any) -> Any:
    if checkpoint is None:
        from .hub.opened import open_stored

        return open_stored(model, **options)
    from .prediction.predict import open_config

    return open_config(model, checkpoint, **options)


if importlib.util.find_spec("mmengine") is None:
    REFUSAL = "MMEngine is not installed; pip install 'resblock_backbones[onedl]'"
else:
    try:
        from .models.registry import BACKBONES

        __all__ += ["BACKBONES"]
        from ..deploy.models.kinds import KINDS
        from ..prediction.predictor import CONFIG_MODELS
        from .configs import bases
        from .export.kind import whole_models
        from .models import checkpoint
        from .training import hooks

        __all__ += ["hooks"]
    except Exception as error:  # OpenCV without libGL, or any other package that is broken
        from .versions.faults import explain

        REFUSAL = str(explain("mmengine", error))
        warnings.warn(
            f"MMEngine cannot be used: {REFUSAL} (`resblock doctor` says more)", stacklevel=2
        )
    else:
        KINDS.append(whole_models)
        CONFIG_MODELS.append(_config_model)
        bases.install()
        checkpoint.install()


def __getattr__(name: str) -> Any:
    if name in ("BACKBONES", "hooks"):
        raise ImportError(f"{name} needs MMEngine: {REFUSAL}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
