"""The names that ``FlexResNet`` itself saves."""

from __future__ import annotations

from .dialect import Dialect
from .rules import Rule
from .torchvision import CLASSIFIER, LANDMARK, PART, PLAIN_STEM

FLEX = Dialect(
    name="flex",
    landmark=LANDMARK,
    claims=lambda names: any(".residual." in name for name in names),
    part=PART,
    plain_stem=PLAIN_STEM,
    deep_stem=(Rule("stem.{rest}"), Rule("maxpool.{rest}")),
    rules=(Rule("layer{stage}.{block}.{rest}"), *CLASSIFIER),
    deep_stem_mark="stem.0.weight",
)
