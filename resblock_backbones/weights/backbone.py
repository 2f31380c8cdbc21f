"""Finding the backbone in a checkpoint, in any container and under any family's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from .dialects import Dialect
from .errors import CheckpointError, tell
from .finding.claims import Claims, is_grouped, read_claims
from .finding.locate import locate, unused_averages
from .finding.made_over import how_made_over
from .finding.tensors import Named, memory_of, named_tensors
from .reading.sources import Source, open_source

#: Names of a backbone's tensors as ``FlexResNet`` has them.
INSIDE = re.compile(r"(?:conv1|bn1|stem|maxpool|layer\d+)\.")
CLASSIFIER = re.compile(r"fc\.")
#: Words in the first part of names of what stands on a backbone.
HEADS = re.compile(
    r"(?:^|_)(?:fcs?|heads?|classif\w*|cls|linear|logits?|proj\w*|predict\w*|mlp|prototypes?|queue|"
    r"aux\w*|(?:bn)?neck|bottleneck|fpn|rpn|roi|bbox|mask|seg\w*|attnpool|avgpool|pool\w*|global|"
    r"loss\w*|criterion|contrast\w*|memory|temperature|pixel|mean|std|normali\w*|embed\w*|feats?|"
    r"out|outputs?|final\w*|last|decod\w*|deconv\w*|up\w*|lateral\w*|regress\w*|scores?|anchors?|"
    r"extras?|loc|conf|hm|wh|reg|hps?|dep|rot|dim|toplayer|latlayer|smooth|"  # detectors' own words
    r"train|valid|val|test|acc|accuracy|metrics?|"  # numbers of a training script
    r"cent(?:er|re)s?|drop\w*|discriminat\w*|domain\w*|transformer|tokens?|text)\d*(?:_|$)"
)


@dataclass(frozen=True)
class Backbone:
    """A backbone's tensors under ``FlexResNet``'s names.

    Attributes:
        tensors: of stem and stages.
        classifier: ``fc.weight`` and ``fc.bias``, where there are any.
        others: names behind the same prefix that are of no backbone: heads, counters.
        strange: names that no rule of the family knows, inside the backbone.
        dialect: the family whose names they were.
        prefix: what stood in front of them.
        claims: what is known beside the tensors.
        made_over: what was done to it that no network here can take, and how it is undone.
    """

    tensors: dict[str, Tensor]
    classifier: dict[str, Tensor]
    others: tuple[str, ...]
    strange: tuple[str, ...]
    dialect: Dialect
    prefix: str
    claims: Claims
    made_over: str = ""

    @property
    def is_grouped(self) -> bool:
        """Whether the bottlenecks' middle convolutions have groups, as ResNeXt's."""
        return is_grouped(self.tensors)

    @property
    def style(self) -> str:
        """Where its bottlenecks downsample, as far as it is known; torchvision's way if not."""
        return self.claims.style or "pytorch"

    def refuse_strange(self, name: str) -> None:
        """Refuse a checkpoint with tensors inside the backbone that nobody would load.

        Raises:
            CheckpointError: there are such tensors.
        """
        if self.made_over:
            raise CheckpointError(f"{name}: is of a network that was {self.made_over}")
        if self.strange:
            more = ", ..." if len(self.strange) > 3 else ""
            raise CheckpointError(
                f"{name}: is not a ResNet that FlexResNet can be: it holds {len(self.strange)} "
                f"more tensors ({', '.join(self.strange[:3])}{more}); if they are of no backbone, "
                "pass allow_partial=True"
            )


def find_backbone(content: Mapping[str, Any], name: str, prefix: str | None = None) -> Backbone:
    """The backbone in the content of a checkpoint.

    Args:
        content: as it was loaded: tensors by name, in containers of any kind and depth.
        name: of the checkpoint, for messages.
        prefix: of the backbone's names; None detects it.

    Raises:
        CheckpointError: there is no ResNet in it, or more than one.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> state = FlexResNet(18, width=0.25).state_dict()
        >>> found = find_backbone({f"module.backbone.{k}": v for k, v in state.items()}, "mine")
        >>> found.prefix, found.dialect.name, len(found.tensors)
        ('module.backbone.', 'flex', 120)
    """
    tensors = named_tensors(content, name)
    where, dialect, own = locate(tensors, name, prefix)
    if prefix is None:
        for path in unused_averages(tensors, where):
            tell(f"{name}: holds averaged weights too ({path}), which are not used")
    ours, unknown = dialect.to_ours(own)
    known = {key: tensor for key, tensor in ours.items() if INSIDE.match(key)}
    memories = {memory_of(tensor) for tensor in ours.values()}
    strange = [
        key
        for key in unknown
        if _is_strange(key, where, dialect, tensors, memories)
        and not _is_classifier(key, own, known)
    ]
    return Backbone(
        tensors=known,
        classifier={key: tensor for key, tensor in ours.items() if CLASSIFIER.match(key)},
        others=tuple(key for key in unknown if own[key].ndim and key not in strange),
        strange=tuple(strange),
        dialect=dialect,
        prefix=where,
        claims=read_claims(dialect, content, name, known),
        made_over=how_made_over({k: t for k, t in own.items() if re.match(dialect.part, k)}),
    )


def open_backbone(
    source: str | Path | Mapping[str, Any], prefix: str | None = None
) -> tuple[Source, Backbone]:
    """A checkpoint, and the backbone in it; arguments and errors as of ``load_weights``."""
    opened = open_source(source)
    return opened, find_backbone(opened.content, opened.name, prefix)


def _is_strange(
    key: str, prefix: str, dialect: Dialect, tensors: Mapping[str, Named], known: set[Any]
) -> bool:
    """Whether an unknown tensor is of the backbone: of a stem, a stage, or between them."""
    named = tensors.get(prefix + key)
    if named is None or not named.tensor.ndim:  # counters of steps and averages have no shape
        return False
    if re.match(dialect.part, key):
        return True
    # Optimizers and the like hold containers of their own.
    is_beside = prefix.startswith(named.container)
    if memory_of(named.tensor) in known:  # another name of one that is known
        return False
    return dialect.has_siblings and is_beside and not HEADS.search(key.split(".")[0])


def _is_classifier(key: str, own: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> bool:
    """Whether a tensor is of a linear layer of the last stage's channels, by whatever name."""
    layer, _, part = key.rpartition(".")
    weight = own.get(f"{layer}.weight")
    widths = [one.shape[0] for name, one in known.items() if ".conv" in name and one.ndim == 4]
    if "." in layer or part not in ("weight", "bias") or weight is None:
        return False
    return weight.ndim == 2 and weight.shape[1] == max(widths, default=0)
