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
    Rule("layer{stage}.{block}.shortcut.{rest}", "layer{stage}.{block}.residual.{rest}", True),
    Rule("layer{stage}.{block}.{rest}"),
)
CLASSIFIER = (Rule("fc.{param}"),)
#: A deep stem's convolutions and norms, in members of the network itself.
THREE_CONVS = tuple(
    rule
    for number, (conv, norm) in enumerate((("0", "1"), ("3", "4"), ("6", "7")), start=1)
    for rule in (
        Rule(f"conv{number}.weight", f"stem.{conv}.weight"),
        Rule(f"bn{number}.{{param}}", f"stem.{norm}.{{param}}"),
    )
)

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

#: Of scene parsing's ResNets (arXiv 1608.05442, 1612.01105): a deep stem, its layers side by side.
SIDE_BY_SIDE = replace(
    TORCHVISION,
    name="scene-parsing",
    claims=lambda names: {"conv2.weight", "conv3.weight", "bn3.weight"} <= set(names),
    plain_stem=(),
    deep_stem=THREE_CONVS,
    deep_stem_mark="conv2.weight",
)
