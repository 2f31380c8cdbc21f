"""Names of Hugging Face transformers' ResNets, and of its RT-DETR's ResNet-vd."""

from __future__ import annotations

from .dialect import Dialect
from .rules import Rule

_LAYER = "encoder.stages.{index}.layers.{block}.layer.{layer}"
_FIRST = "encoder.stages.0.layers.0.shortcut"
_LATER = "encoder.stages.{later}.layers.{block}.shortcut"
_LANDMARK = r"encoder\.stages\.0\.layers\.\d+\.layer\.\d\.convolution\.weight"
_PART = r"(?:embedder|encoder)\."
_PLAIN_STEM = (
    Rule("embedder.embedder.convolution.weight", "conv1.weight"),
    Rule("embedder.embedder.normalization.{param}", "bn1.{param}"),
)
_DEEP_STEM = tuple(
    rule
    for number in range(3)
    for rule in (
        Rule(f"embedder.embedder.{number}.convolution.weight", f"stem.{3 * number}.weight"),
        Rule(
            f"embedder.embedder.{number}.normalization.{{param}}",
            f"stem.{3 * number + 1}.{{param}}",
        ),
    )
)
_LAYERS = (
    Rule(f"{_LAYER}.convolution.weight", "layer{stage}.{block}.conv{conv}.weight"),
    Rule(f"{_LAYER}.normalization.{{param}}", "layer{stage}.{block}.bn{conv}.{param}"),
)

RESNET = Dialect(
    name="transformers",
    landmark=_LANDMARK,
    claims=lambda names: "embedder.embedder.convolution.weight" in names,
    part=_PART,
    plain_stem=_PLAIN_STEM,
    deep_stem=(),
    rules=(
        *_LAYERS,
        Rule(
            "encoder.stages.{index}.layers.{block}.shortcut.convolution.weight",
            "layer{stage}.{block}.residual.0.weight",
        ),
        Rule(
            "encoder.stages.{index}.layers.{block}.shortcut.normalization.{param}",
            "layer{stage}.{block}.residual.1.{param}",
        ),
        Rule("classifier.1.{param}", "fc.{param}"),
    ),
    deep_stem_mark="embedder.embedder.1.convolution.weight",
    written_prefix="resnet.",
    head="classifier.1.",
)

#: A deep stem, and shortcuts that average first, where they downsample.
RT_DETR = Dialect(
    name="transformers-rt-detr",
    landmark=_LANDMARK,
    claims=lambda names: "embedder.embedder.0.convolution.weight" in names,
    part=_PART,
    plain_stem=(),
    deep_stem=_DEEP_STEM,
    rules=(
        *_LAYERS,
        Rule(f"{_FIRST}.convolution.weight", "layer1.0.residual.0.weight"),
        Rule(f"{_FIRST}.normalization.{{param}}", "layer1.0.residual.1.{param}"),
        Rule(f"{_LATER}.1.convolution.weight", "layer{stage}.{block}.residual.1.weight"),
        Rule(f"{_LATER}.1.normalization.{{param}}", "layer{stage}.{block}.residual.2.{param}"),
    ),
    deep_stem_mark="embedder.embedder.1.convolution.weight",
    numbers_identity=False,
)
