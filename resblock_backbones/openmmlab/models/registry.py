"""The registry from which configs build backbones."""

from mmengine.registry import MODELS

from ...resnet.network import FlexResNet

#: MMEngine's root registry of models, on which every scope falls back; it holds `FlexResNet`.
BACKBONES = MODELS

if "FlexResNet" not in BACKBONES.module_dict:
    BACKBONES.register_module(name="FlexResNet", module=FlexResNet)

__all__ = ["BACKBONES"]
