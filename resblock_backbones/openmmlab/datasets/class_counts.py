"""Check `num_classes` and class weights of the heads against the classes of the data.

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
    for path, number in counts_of(model, "model"):
        if number != len(classes):
            names = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
            raise ConfigError(
                f"{path}.num_classes={number} does not fit {key}, which has {len(classes)} "
                f"classes ({names}): write num_classes={len(classes)}"
            )


def check_class_weights(model: Mapping[str, Any], classes: Sequence[str], key: str) -> None:
    """Check that every list of class weights has a weight for each class of the data.

    MMDetection's softmax losses have one more, of the background.

    Args:
        model: the config's model.
        classes: the names of the data's classes.
        key: where the data set stands in the config.

    Raises:
        ConfigError: names the key, its length, and the one that fits.

    >>> loss = {"type": "CrossEntropyLoss", "class_weight": [1.0, 2.0, 1.0]}
    >>> check_class_weights({"decode_head": {"loss_decode": loss}}, ["a", "b"], "train")
    Traceback (most recent call last):
        ...
    resblock_backbones.options.errors.ConfigError: model.decode_head.loss_decode.class_weight has \
3 weights and train 2 classes: write 2
    """
    for path, count, wanted in weights_of(model, classes):
        if count != wanted:
            background = " (the last one of the background)" if wanted > len(classes) else ""
            raise ConfigError(
                f"{path}.class_weight has {count} weights and {key} {len(classes)} "
                f"classes: write {wanted}{background}"
            )


def weights_of(model: Mapping[str, Any], classes: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """The losses with class weights: where they are, how many they have and how many they need.

    >>> list(weights_of({"decode_head": {"loss_decode": {"class_weight": [1, 2]}}}, ["a"]))
    [('model.decode_head.loss_decode', 2, 1)]
    """
    for path, loss in _losses(model, "model"):
        softmax_of_boxes = path.endswith("loss_cls") and not loss.get("use_sigmoid")
        yield path, len(loss["class_weight"]), len(classes) + int(softmax_of_boxes)


def _losses(part: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(part, Mapping):
        if isinstance(part.get("class_weight"), list | tuple):
            yield path, part
        for name, inner in part.items():
            if name not in OTHER_COUNTS:
                yield from _losses(inner, f"{path}.{name}")
    elif isinstance(part, list | tuple):
        for place, inner in enumerate(part):
            yield from _losses(inner, f"{path}[{place}]")


def counts_of(part: Any, path: str) -> Iterator[tuple[str, int]]:
    """Where a model's heads have `num_classes`, and how many.

    >>> list(counts_of({"bbox_head": {"num_classes": 80}}, "model"))
    [('model.bbox_head', 80)]
    """
    if isinstance(part, Mapping):
        number = part.get("num_classes")
        in_head = ".roi_head." in path or path.split("[")[0].endswith("_head")
        if isinstance(number, int) and in_head and not part.get("class_agnostic"):
            yield path, number
        for name, inner in part.items():
            if name not in OTHER_COUNTS:
                yield from counts_of(inner, f"{path}.{name}")
    elif isinstance(part, list | tuple):
        for place, inner in enumerate(part):
            yield from counts_of(inner, f"{path}[{place}]")
