"""Check `num_classes` of the heads against the classes of the data.

A head with too few classes ends in an index error on the CPU and in a device assert on a GPU; one
with too many trains, and its spare classes are noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...options.errors import ConfigError

#: Parts that count something else: objects against background, stuff, identities.
OTHER_COUNTS = ("rpn_head", "semantic_head", "panoptic_fusion_head", "reid", "tracker")


def check_num_classes(model: Mapping[str, Any], classes: Sequence[str], key: str) -> None:
    """Check that every head has as many classes as the data.

    Args:
        model: the config's model.
        classes: the names of the data's classes.
        key: where the data set stands in the config.

    Raises:
        ConfigError: names the key, its value, and the one that fits.

    >>> model = {"bbox_head": {"num_classes": 80}}
    >>> check_num_classes(model, ["square", "disk"], "train_dataloader.dataset")
    Traceback (most recent call last):
        ...
    resblock_backbones.options.errors.ConfigError: model.bbox_head.num_classes=80 does not fit \
train_dataloader.dataset, which has 2 classes (square, disk): write num_classes=2
    """
    for path, number in _counts(model, "model"):
        if number != len(classes):
            names = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
            raise ConfigError(
                f"{path}.num_classes={number} does not fit {key}, which has {len(classes)} "
                f"classes ({names}): write num_classes={len(classes)}"
            )


def _counts(part: Any, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(part, Mapping):
        number = part.get("num_classes")
        in_head = ".roi_head." in path or path.split("[")[0].endswith("_head")
        if isinstance(number, int) and in_head and not part.get("class_agnostic"):
            yield path, number
        for name, inner in part.items():
            if name not in OTHER_COUNTS:
                yield from _counts(inner, f"{path}.{name}")
    elif isinstance(part, list | tuple):
        for place, inner in enumerate(part):
            yield from _counts(inner, f"{path}[{place}]")
