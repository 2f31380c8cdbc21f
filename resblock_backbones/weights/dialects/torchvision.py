"""torchvision's names, which most others extend."""

from __future__ import annotations

from .dialect import Dialect
from .rules import Rule

PLAIN_STEM = (Rule("conv1.{param}"), Rule("bn1.{param}"), Rule("maxpool.{rest}"))
STAGES = (
    Rule("layer{stage}.{block}.downsample.{rest}", "layer{stage}.{block}.residual.{rest}"),
    Rule("layer{stage}.{block}.{rest}"),
)
CLASSIFIER = (Rule("fc.{param}"),)

TORCHVISION = Dialect(
    name="torchvision",
    anchor="layer1.0.conv1.weight",
    claims=lambda names: True,  # asked last
    plain_stem=PLAIN_STEM,
    deep_stem=(),
    rules=STAGES + CLASSIFIER,
    deep_stem_mark="stem.0.weight",
)
