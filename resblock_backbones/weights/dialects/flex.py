"""The names that ``FlexResNet`` itself saves."""

from __future__ import annotations

from .dialect import Dialect
from .rules import Rule
from .torchvision import CLASSIFIER, PLAIN_STEM

FLEX = Dialect(
    name="flex",
    anchor="layer1.0.conv1.weight",
    claims=lambda names: any(".residual." in name for name in names),
    plain_stem=PLAIN_STEM,
    deep_stem=(Rule("stem.{rest}"), Rule("maxpool.{rest}")),
    rules=(Rule("layer{stage}.{block}.{rest}"), *CLASSIFIER),
    deep_stem_mark="stem.0.weight",
)
