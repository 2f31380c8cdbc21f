"""Channels, strides and modules of a backbone's feature maps, with timm's interface."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

Index = int | Sequence[int] | None


class FeatureInfo:
    """Channels, stride and module of each feature map of a network, and which it returns.

    Has the interface of timm's ``feature_info`` (``timm.models.FeatureInfo``), so that code written
    for timm's encoders works with a ``FlexResNet``. Without ``idx`` methods return one value per
    returned feature map; with it, the value of that entry of ``info``, or a list for a list.

    Args:
        info: ``num_chs``, ``reduction`` (the stride) and ``module`` (whose output it is) of each
            feature map, in the order of the forward pass; ``index`` is added if it is missing.
        out_indices: the entries of ``info`` that are returned; a number n means the last n.

    Raises:
        ValueError: an entry lacks a key, channels or strides are impossible, or ``out_indices``
            names an entry that does not exist.

    Example:
        >>> maps = [dict(num_chs=64, reduction=2, module="relu")]
        >>> maps += [dict(num_chs=256, reduction=4, module="layer1")]
        >>> info = FeatureInfo(maps, out_indices=(1,))
        >>> info.channels(), info.reduction(), info.module_name(), info.channels(0)
        ([256], [4], ['layer1'], 64)
    """

    def __init__(self, info: Sequence[Mapping[str, Any]], out_indices: int | Sequence[int]) -> None:
        self.info = [{"index": index, **entry} for index, entry in enumerate(info)]
        stride = 1
        for entry in self.info:
            for key in ("num_chs", "reduction", "module"):
                if key not in entry:
                    raise ValueError(f"info: entry {entry['index']} has no '{key}'")
            if entry["num_chs"] < 1 or entry["reduction"] < stride:
                raise ValueError(
                    f"info: entry {entry['index']} has {entry['num_chs']} channels at stride "
                    f"{entry['reduction']}; channels are at least 1, and no stride is smaller than "
                    "the one before"
                )
            stride = entry["reduction"]
        last = isinstance(out_indices, int)
        self.out_indices = tuple(range(-out_indices, 0) if last else out_indices)  # type: ignore
        for index in self.out_indices:
            if not -len(self.info) <= index < len(self.info):
                raise ValueError(f"out_indices={out_indices}: there are {len(self.info)} maps")

    def from_other(self, out_indices: int | Sequence[int]) -> FeatureInfo:
        """The same feature maps, with another selection of outputs."""
        return FeatureInfo(copy.deepcopy(self.info), out_indices)

    def channels(self, idx: Index = None) -> Any:
        """Channels of the feature maps."""
        return self.get("num_chs", idx)

    def reduction(self, idx: Index = None) -> Any:
        """Strides of the feature maps."""
        return self.get("reduction", idx)

    def module_name(self, idx: Index = None) -> Any:
        """Names of the modules whose outputs the feature maps are."""
        return self.get("module", idx)

    def get(self, key: str, idx: Index = None) -> Any:
        """The value of one key."""
        if isinstance(idx, int):
            return self.info[idx][key]
        return [self.info[index][key] for index in self._chosen(idx)]

    def get_dicts(self, keys: Sequence[str] | None = None, idx: Index = None) -> Any:
        """All keys, or those in ``keys``, as dicts."""
        if isinstance(idx, int):
            entry = self.info[idx]
            return entry if keys is None else {key: entry[key] for key in keys}
        return [self.get_dicts(keys, index) for index in self._chosen(idx)]

    def __getitem__(self, item: Any) -> Any:
        return self.info[item]

    def __len__(self) -> int:
        return len(self.info)

    def _chosen(self, idx: Sequence[int] | None) -> Sequence[int]:
        return self.out_indices if idx is None else idx


def resnet_info(
    stem_module: str,
    stem_channels: int,
    stages: Sequence[tuple[int, int]],
    out_indices: Sequence[int],
) -> FeatureInfo:
    """The feature maps of a ResNet: the stem's before its pooling, as in timm, then each stage's.

    Args:
        stem_module: the module whose output the stem's feature map is.
        stem_channels: its channels; its stride is 2.
        stages: channels and stride of each stage.
        out_indices: the stages that are returned, from 0.

    Example:
        >>> info = resnet_info("relu", 64, [(64, 4), (128, 8)], out_indices=(1,))
        >>> info.get_dicts()
        [{'index': 2, 'num_chs': 128, 'reduction': 8, 'module': 'layer2'}]
    """
    maps = [{"num_chs": stem_channels, "reduction": 2, "module": stem_module}]
    maps += [
        {"num_chs": channels, "reduction": stride, "module": f"layer{number}"}
        for number, (channels, stride) in enumerate(stages, 1)
    ]
    return FeatureInfo(maps, [index + 1 for index in out_indices])
