"""The parts of a block: convolutions, norms, activations, attention, pooling."""

from .act import build_act
from .attention import EfficientChannelAttention, SqueezeExcitation, build_attention
from .blur_pool import AntiAlias, BlurPool, average_down, build_anti_alias
from .conv import ConvNxN, SpatialSeparableConvNxN, build_conv
from .folding.conv_norm import conv_norm, conv_norm_act, run_layers
from .norm import build_norm

__all__ = [
    "AntiAlias",
    "BlurPool",
    "ConvNxN",
    "EfficientChannelAttention",
    "SpatialSeparableConvNxN",
    "SqueezeExcitation",
    "average_down",
    "build_act",
    "build_anti_alias",
    "build_attention",
    "build_conv",
    "build_norm",
    "conv_norm",
    "conv_norm_act",
    "run_layers",
]
