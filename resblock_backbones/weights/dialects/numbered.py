"""Names of a ResNet whose parts were put into ``nn.Sequential``: numbers in their place.

``nn.Sequential(*resnet.children())`` is how features are taken from a classifier in many scripts.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .dialect import Dialect
from .rules import Rule

_SHORTCUT = "layer{stage}.{block}.residual.{rest}"


def _numbered(name: str, first: int, plain: tuple[Rule, ...], deep: tuple[Rule, ...]) -> Dialect:
    """A table.

    Args:
        name: of the family.
        first: the number of the first stage.
        plain, deep: rules of the stem, whose first convolution is 0, or 0.0 in a stem of its own.
    """
    stage = f"{{from{first}}}.{{block}}"

    def claims(tensors: Mapping[str, Tensor]) -> bool:
        has_stem = any(f"{stem}.weight" in tensors for stem in ("0", "0.0"))
        return has_stem and not any(name.startswith(f"{first - 1}.0.conv") for name in tensors)

    return Dialect(
        name=name,
        landmark=rf"{first}\.\d+\.conv[1-3](?:\.\d)?\.weight",
        claims=claims,
        part=rf"[0-{first + 3}]\.",
        has_siblings=False,
        plain_stem=plain,
        deep_stem=deep,
        rules=(
            Rule(f"{stage}.downsample.{{rest}}", _SHORTCUT),
            Rule(f"{stage}.shortcut.{{rest}}", _SHORTCUT, reads_only=True),
            Rule(f"{stage}.{{rest}}", "layer{stage}.{block}.{rest}"),
            # Behind the stages and a pooling.
            Rule(f"{first + 5}.{{param}}", "fc.{param}"),
        ),
        deep_stem_mark="0.3.weight",
    )


#: Convolution, norm, activation, pooling, stages; a deep stem stands in the convolution's place.
SEQUENTIAL = _numbered(
    "sequential",
    4,
    plain=(Rule("0.weight", "conv1.weight"), Rule("1.{param}", "bn1.{param}")),
    deep=(Rule("1.{param}", "stem.7.{param}"), Rule("0.{rest}", "stem.{rest}")),
)
#: A deep stem, pooling, stages.
STEM_AND_POOLING = _numbered(
    "sequential-stem", 2, plain=(), deep=(Rule("0.{rest}", "stem.{rest}"),)
)
#: A stem with its pooling, stages.
STEM_AND_STAGES = _numbered(
    "sequential-stages",
    1,
    plain=(Rule("0.0.weight", "conv1.weight"), Rule("0.1.{param}", "bn1.{param}")),
    deep=(Rule("0.{rest}", "stem.{rest}"),),
)
