"""OpenAI's names of CLIP's image encoders, as far as they are ResNets (arXiv 2103.00020)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .dialect import Dialect
from .rules import Rule
from .torchvision import LANDMARK, PART, THREE_CONVS

#: How names begin that its encoder alone has.
HEAD = "attnpool."


def _is_clip(tensors: Mapping[str, Tensor]) -> bool:
    """Others with three convolutions side by side have a last one of twice the width."""
    if not {"conv2.weight", "conv3.weight", "bn3.weight"} <= tensors.keys():
        return False
    if any(name.startswith(HEAD) for name in tensors):
        return True
    stem, first = tensors["conv3.weight"], tensors.get("layer1.0.conv1.weight")
    return first is None or stem.ndim == 0 or stem.shape[0] == first.shape[0]


CLIP = Dialect(
    name="clip",
    landmark=LANDMARK,
    claims=_is_clip,
    part=PART,
    plain_stem=(),
    deep_stem=THREE_CONVS,
    rules=(
        # The pooling in front of them is number -1.
        Rule("layer{stage}.{block}.downsample.0.weight", "layer{stage}.{block}.residual.1.weight"),
        Rule(
            "layer{stage}.{block}.downsample.1.{param}", "layer{stage}.{block}.residual.2.{param}"
        ),
        Rule("layer{stage}.{block}.conv{conv}.weight"),
        Rule("layer{stage}.{block}.bn{conv}.{param}"),
    ),
    deep_stem_mark="conv2.weight",
    signature=HEAD,
    options={"anti_alias": "average", "stem_pool": "average"},
)
