"""ResNet backbones for dense prediction, built from one residual block.

Needs torch and torchvision alone. With MMEngine installed, importing this package also registers
``FlexResNet``, so that ``backbone=dict(type='FlexResNet', ...)`` works in a config.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options.torch_version import refuse_old_torch
from .version import __version__

if TYPE_CHECKING:
    from .deploy import ExportError, export, export_model, fuse, fuse_backbone
    from .layers import ConvNxN, SpatialSeparableConvNxN, conv_norm
    from .openmmlab import BACKBONES
    from .prediction import Prediction, Predictor
    from .resnet.blocks import BottleneckResBlock, ResBlock
    from .resnet.network import FlexResNet
    from .resnet.parameter_groups import param_groups
    from .weights import CheckpointError, LoadReport, load_weights

__all__ = [
    "BottleneckResBlock",
    "CheckpointError",
    "ConvNxN",
    "ExportError",
    "FlexResNet",
    "LoadReport",
    "Prediction",
    "Predictor",
    "ResBlock",
    "SpatialSeparableConvNxN",
    "__version__",
    "conv_norm",
    "export",
    "export_model",
    "fuse",
    "fuse_backbone",
    "load_weights",
    "param_groups",
]

#: How the command is called, on Windows too.
_COMMAND = ("resblock", "resblock.exe", "resblock-script.py")

#: Room -> the public names that it has.
_HOMES = {
    "layers": ("ConvNxN", "SpatialSeparableConvNxN", "conv_norm"),
    "resnet.blocks": ("BottleneckResBlock", "ResBlock"),
    "resnet.network": ("FlexResNet",),
    "resnet.parameter_groups": ("param_groups",),
    "prediction": ("Prediction", "Predictor"),
    "weights": ("CheckpointError", "LoadReport", "load_weights"),
    "deploy": ("ExportError", "export", "export_model", "fuse", "fuse_backbone"),
}

if importlib.util.find_spec("mmengine") is not None:
    __all__ += ["BACKBONES"]
    _HOMES["openmmlab"] = ("BACKBONES",)


def __getattr__(name: str) -> Any:
    if name in __all__:
        _import_all()
        if name in globals():
            return globals()[name]
    if name == "BACKBONES":
        from .openmmlab import BACKBONES  # or the reason why it is not there

        return BACKBONES
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _import_all() -> None:
    """All rooms at once: what one needs of a later one is given to it on import."""
    for home, names in _HOMES.items():
        room = importlib.import_module(f".{home}", __name__)
        globals().update({name: vars(room)[name] for name in names if name in vars(room)})
    if "BACKBONES" in __all__ and "BACKBONES" not in globals():
        __all__.remove("BACKBONES")  # MMEngine is broken: the rest works without it


# The command `resblock` answers --help before PyTorch would be there, and imports what it needs.
# By its whole name: a script of the user's may be called resblock.py.
if Path(sys.argv[0] if sys.argv else "").name not in _COMMAND:
    refuse_old_torch()
    _import_all()
