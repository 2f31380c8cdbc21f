"""torchvision's names, which most others extend."""

from __future__ import annotations

from dataclasses import replace

from .dialect import Dialect
from .rules import Rule

PLAIN_STEM = (Rule("conv1.{param}"), Rule("bn1.{param}"), Rule("maxpool.{rest}"))
STAGES = (
    Rule("layer{stage}.{block}.downsample.{rest}", "layer{stage}.{block}.residual.{rest}"),
    Rule("layer{stage}.{block}.{rest}"),
)
CLASSIFIER = (Rule("fc.{param}"),)

_STAGES = (
    Rule("layer{stage}.{block}.conv{conv}.weight"),
    Rule("layer{stage}.{block}.bn{conv}.{param}"),
    Rule("layer{stage}.{block}.downsample.0.weight", "layer{stage}.{block}.residual.0.weight"),
    Rule("layer{stage}.{block}.downsample.1.{param}", "layer{stage}.{block}.residual.1.{param}"),
)

TORCHVISION = Dialect(
    name="torchvision",
    anchor="layer1.0.conv1.weight",
    claims=lambda names: True,  # asked last
    plain_stem=PLAIN_STEM[:2],
    deep_stem=(),
    # What torchvision's networks have, and what is only like them: read, and judged by the loader.
    rules=_STAGES + tuple(replace(rule, reads_only=True) for rule in STAGES) + CLASSIFIER,
    deep_stem_mark="stem.0.weight",
)
