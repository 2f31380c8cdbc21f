"""Names of torchvision, which most other families extend."""

from __future__ import annotations

from dataclasses import replace

from .dialect import Dialect
from .rules import Rule

#: What follows the prefix in names of the first stage's convolutions.
LANDMARK = r"layer1\.\d+\.conv[1-3](?:\.\d)?\.weight"
#: How names of stem and stages begin.
PART = r"(?:conv|bn|gn|in|ln|norm|norm_layer|stem|maxpool|layer)\d*\."

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
    landmark=LANDMARK,
    claims=lambda names: True,  # asked last
    part=PART,
    plain_stem=(
        *PLAIN_STEM[:2],
        # Others keep the stem in a layer of its own.
        Rule("layer0.conv1.weight", "conv1.weight", reads_only=True),
        Rule("layer0.bn1.{param}", "bn1.{param}", reads_only=True),
        Rule("layer0.0.weight", "conv1.weight", reads_only=True),
        Rule("layer0.1.{param}", "bn1.{param}", reads_only=True),
    ),
    deep_stem=(Rule("layer0.{rest}", "stem.{rest}", reads_only=True),),
    # What torchvision's networks have, and what is only like them: read, and judged by the loader.
    rules=_STAGES + tuple(replace(rule, reads_only=True) for rule in STAGES) + CLASSIFIER,
    deep_stem_mark="layer0.3.weight",
)
