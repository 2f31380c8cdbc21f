"""Names in RT-DETR's own files of its ResNet-vd (arXiv 2304.08069)."""

from __future__ import annotations

from .dialect import Dialect
from .rules import Rule

_BLOCK, _OURS = "res_layers.{index}.blocks.{block}", "layer{stage}.{block}"
_FIRST = "res_layers.0.blocks.0.short"
_LATER = "res_layers.{later}.blocks.{block}.short"


def _stem(number: int, conv: str, norm: str) -> tuple[Rule, ...]:
    return (
        Rule(f"conv1.conv1_{number}.conv.weight", f"{conv}.weight"),
        Rule(f"conv1.conv1_{number}.norm.{{param}}", f"{norm}.{{param}}"),
    )


PRESNET = Dialect(
    name="rt-detr",
    landmark=r"res_layers\.0\.blocks\.\d+\.branch2[abc]\.conv\.weight",
    claims=lambda names: True,
    part=r"(?:conv1|res_layers)\.",
    plain_stem=_stem(1, "conv1", "bn1"),
    deep_stem=(
        *_stem(1, "stem.0", "stem.1"),
        *_stem(2, "stem.3", "stem.4"),
        *_stem(3, "stem.6", "stem.7"),
    ),
    rules=(
        Rule(f"{_BLOCK}.branch2{{abc}}.conv.weight", f"{_OURS}.conv{{conv}}.weight"),
        Rule(f"{_BLOCK}.branch2{{abc}}.norm.{{param}}", f"{_OURS}.bn{{conv}}.{{param}}"),
        Rule(f"{_FIRST}.conv.weight", "layer1.0.residual.0.weight"),
        Rule(f"{_FIRST}.norm.{{param}}", "layer1.0.residual.1.{param}"),
        Rule(f"{_LATER}.conv.conv.weight", f"{_OURS}.residual.1.weight"),
        Rule(f"{_LATER}.conv.norm.{{param}}", f"{_OURS}.residual.2.{{param}}"),
        Rule(f"{_LATER}.conv.weight", f"{_OURS}.residual.0.weight", reads_only=True),
        Rule(f"{_LATER}.norm.{{param}}", f"{_OURS}.residual.1.{{param}}", reads_only=True),
    ),
    deep_stem_mark="conv1.conv1_2.conv.weight",
    numbers_identity=False,
)
