"""timm's names, for every architecture of its ``resnet`` module."""

from __future__ import annotations

import re

from .dialect import Dialect
from .rules import Rule
from .torchvision import CLASSIFIER, LANDMARK, PART, PLAIN_STEM, STAGES

# Not in torchvision: deep stems, a convolution as pooling, attention, pooled shortcuts.
MARKS = re.compile(r"conv1\.0\.|maxpool\.\d|.*\.se\.(?:fc1|fc2|conv)\.|.*\.downsample\.2\.")

TIMM = Dialect(
    name="timm",
    landmark=LANDMARK,
    claims=lambda names: any(map(MARKS.match, names)),
    part=PART,
    plain_stem=PLAIN_STEM,
    deep_stem=(
        # Its last norm has the name of the plain stem's.
        Rule("bn1.{param}", "stem.7.{param}"),
        Rule("conv1.{rest}", "stem.{rest}"),
        Rule("maxpool.{rest}"),
    ),
    rules=STAGES + CLASSIFIER,
    deep_stem_mark="conv1.0.weight",
)
