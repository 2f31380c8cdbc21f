"""The registry from which configs build backbones."""

from mmengine.registry import MODELS as BACKBONES  # the root, which every scope falls back on

from ...resnet.network import FlexResNet

if "FlexResNet" not in BACKBONES.module_dict:
    BACKBONES.register_module(name="FlexResNet", module=FlexResNet)

__all__ = ["BACKBONES"]
