"""The registry that configs build backbones from."""

from mmengine.registry import MODELS as BACKBONES  # the root, which every scope falls back on

from ...resnet.network import FlexResNet

if "FlexResNet" not in BACKBONES.module_dict:
    BACKBONES.register_module(name="FlexResNet", module=FlexResNet)

__all__ = ["BACKBONES"]
