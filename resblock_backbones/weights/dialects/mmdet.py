"""Names of MMDetection, MMSegmentation and MMPretrain."""

from __future__ import annotations

import re
from collections.abc import Collection

from .dialect import Dialect
from .rules import Rule
from .torchvision import CLASSIFIER, LANDMARK, PART, PLAIN_STEM, STAGES

OTHER_NORMS = re.compile(r"(?:.*\.)?(?:gn|in|ln|norm_layer|norm)\d\.")

_PLAIN_STEM = (Rule("{norm}1.{param}", "bn1.{param}"), *PLAIN_STEM)
_STAGES = (
    Rule("layer{stage}.{block}.{norm}{conv}.{param}", "layer{stage}.{block}.bn{conv}.{param}"),
    *STAGES,
)

MMDET = Dialect(
    name="mmdet",
    landmark=LANDMARK,
    claims=lambda names: "stem.0.weight" in names or any(map(OTHER_NORMS.match, names)),
    part=PART,
    plain_stem=_PLAIN_STEM,
    deep_stem=(Rule("stem.{rest}"),),
    rules=_STAGES + CLASSIFIER,
    deep_stem_mark="stem.0.weight",
)


def _is_mmpretrain(names: Collection[str]) -> bool:
    if "stem.0.conv.weight" in names or "head.fc.weight" in names:
        return True
    if any(".se_layer." in name for name in names):
        return True
    averages = any(re.match(r"layer[2-9]\.0\.downsample\.2\.", name) for name in names)
    return averages and "layer1.0.downsample.0.weight" in names


MMPRETRAIN = Dialect(
    name="mmpretrain",
    landmark=LANDMARK,
    claims=_is_mmpretrain,
    part=PART,
    plain_stem=_PLAIN_STEM,
    # Its stem has three modules of convolution, norm and activation.
    deep_stem=tuple(
        rule
        for number in range(3)
        for rule in (
            Rule(f"stem.{number}.conv.weight", f"stem.{3 * number}.weight"),
            Rule(f"stem.{number}.{{norm}}.{{param}}", f"stem.{3 * number + 1}.{{param}}"),
        )
    ),
    rules=(
        Rule(
            "layer{stage}.{block}.se_layer.conv{conv}.conv.{param}",
            "layer{stage}.{block}.se.fc{conv}.{param}",
        ),
        *_STAGES,
        Rule("head.fc.{param}", "fc.{param}"),
    ),
    deep_stem_mark="stem.0.conv.weight",
    numbers_identity=False,
    written_prefix="backbone.",
    head="head.fc.",
)
