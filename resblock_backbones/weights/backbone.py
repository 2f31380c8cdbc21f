"""Finding the backbone in a checkpoint, whatever it is wrapped in and whatever its names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .dialects import DIALECTS, Dialect
from .errors import CheckpointError
from .reading.sources import Source, open_source

#: What training tools put a network's tensors in, in the order in which they are looked for.
CONTAINERS = (
    *("state_dict", "model", "blobs", "model_state"),
    *("state_dict_ema", "model_ema", "ema_state_dict"),
)
#: What compiling, sharding and recomputing put into names.
WRAPPERS = re.compile(
    r"(?:(?<=\.)|^)(?:_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)\."
)
#: Names of a backbone's tensors as ``FlexResNet`` has them.
INSIDE = re.compile(r"(?:conv1|bn1|stem|maxpool|layer\d+)\.")
CLASSIFIER = re.compile(r"fc\.")
#: Names that classifiers' last layers have.
HEADS = re.compile(r"(?:fc|head|classifier|linear|last_linear)\.")


@dataclass(frozen=True)
class Backbone:
    """A backbone's tensors under ``FlexResNet``'s names.

    Attributes:
        tensors: of stem and stages.
        classifier: ``fc.weight`` and ``fc.bias``, where there are any.
        others: names beside them in the checkpoint, behind the same prefix.
        dialect: the family whose names they were.
        prefix: what stood in front of them.
        style: where its bottlenecks downsample, as far as the family tells.
    """

    tensors: dict[str, Tensor]
    classifier: dict[str, Tensor]
    others: tuple[str, ...]
    dialect: Dialect
    prefix: str
    style: str

    @property
    def is_grouped(self) -> bool:
        """Whether the bottlenecks' middle convolutions have groups, as ResNeXt's."""
        return _is_grouped(self.tensors)


def open_backbone(
    source: str | Path | Mapping[str, Any], prefix: str | None = None
) -> tuple[Source, Backbone]:
    """A checkpoint, and the backbone in it; arguments and errors as of ``load_weights``."""
    opened = open_source(source)
    return opened, find_backbone(opened.content, opened.name, prefix)


def find_backbone(content: Mapping[str, Any], name: str, prefix: str | None = None) -> Backbone:
    """The backbone in the content of a checkpoint.

    Args:
        content: as it was loaded: tensors by name, or the containers that training tools write.
        name: of the checkpoint, for messages.
        prefix: of the backbone's names; None looks for it.

    Raises:
        CheckpointError: there is no ResNet in it, or more than one.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> state = FlexResNet(18, width=0.25).state_dict()
        >>> found = find_backbone({f"module.backbone.{k}": v for k, v in state.items()}, "mine")
        >>> found.prefix, found.dialect.name, len(found.tensors)
        ('module.backbone.', 'flex', 120)
    """
    tensors = _tensors(content, name)
    prefix, dialects = _locate(tensors, name, prefix)
    own = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
    if prefix.endswith("backbone."):  # MMPretrain's classifier stands beside its backbone
        head = prefix.removesuffix("backbone.") + "head.fc."
        own |= {
            f"head.fc.{k.removeprefix(head)}": tensors[k] for k in tensors if k.startswith(head)
        }
    dialect = next(one for one in dialects if one.claims(own.keys()))
    ours, others = dialect.to_ours(own)
    style = dialect.style
    # Detectron2's converter leaves torchvision's way of downsampling, and signs for it.
    if content.get("__author__") == "torchvision" or _is_grouped(ours):
        style = "pytorch"
    style = content["style"] if content.get("style") in ("pytorch", "caffe") else style
    return Backbone(
        tensors={key: tensor for key, tensor in ours.items() if INSIDE.match(key)},
        classifier={key: tensor for key, tensor in ours.items() if CLASSIFIER.match(key)},
        # Counters of averages and steps stand among the weights.
        others=tuple(key for key in others if own[key].ndim and not HEADS.match(key)),
        dialect=dialect,
        prefix=prefix,
        style=style,
    )


def _tensors(content: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    for container in CONTAINERS:
        if isinstance(content.get(container), Mapping):
            content = content[container]
            break
    tensors: dict[str, Tensor] = {}
    for key, value in content.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            value = torch.from_numpy(value)
        if isinstance(value, Tensor):
            tensors[WRAPPERS.sub("", str(key))] = value.detach()
    if not tensors:
        held = ", ".join(map(repr, list(content)[:3])) or "nothing"
        raise CheckpointError(f"{name}: holds no tensors (it holds {held})")
    return tensors


def _locate(
    names: Collection[str], source: str, given: str | None
) -> tuple[str, tuple[Dialect, ...]]:
    """The prefix of the backbone, and the families whose anchor is behind it."""
    found: dict[str, list[Dialect]] = {}
    for dialect in DIALECTS:
        for name in names:
            if name == dialect.anchor or name.endswith("." + dialect.anchor):
                found.setdefault(name.removesuffix(dialect.anchor), []).append(dialect)
    if given is not None:
        wanted = given.rstrip(".") + "." if given else ""
        if wanted not in found:
            known = ", ".join(f"'{prefix}'" for prefix in found) or "none"
            raise CheckpointError(
                f"{source}: holds no ResNet under prefix='{given}'; prefixes of ResNets in it: "
                f"{known}"
            )
        found = {wanted: found[wanted]}
    if not found:
        first = list(dict.fromkeys(name.split(".")[0] for name in names))
        raise CheckpointError(
            f"{source}: holds no ResNet backbone: no name ends with "
            f"{' or '.join(dict.fromkeys(one.anchor for one in DIALECTS))}; its names begin with "
            f"{', '.join(first[:5])}"
        )
    if len(found) > 1:
        listed = ", ".join(f"'{prefix}'" for prefix in found)
        raise CheckpointError(
            f"{source}: holds {len(found)} ResNets, under {listed}; say which by prefix="
        )
    [(prefix, dialects)] = found.items()
    return prefix, tuple(dialects)


def _is_grouped(tensors: Mapping[str, Tensor]) -> bool:
    first, middle = (tensors.get(f"layer1.0.conv{number}.weight") for number in (1, 2))
    if first is None or middle is None or first.ndim != 4 or middle.ndim != 4:
        return False
    return "layer1.0.conv3.weight" in tensors and first.shape[0] != middle.shape[1]
