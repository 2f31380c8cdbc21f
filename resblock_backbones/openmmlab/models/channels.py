"""Make necks and heads follow the channels of the backbone.

In a config of the MM packages the neck repeats the channels of the backbone, or every head does if
there is no neck. After a change of depth or width, training fails with `expected input to have 256
channels`. The plan of a `FlexResNet` has its `out_channels` before it is built, so the other parts
can follow.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from ...options.errors import ConfigError
from .flexible_backbones import Part, planned_models

#: Channels of a head's input feature maps; None if they do not depend on the backbone.
Features = Sequence[int | None]

#: Necks that take every output of the backbone, one entry of `in_channels` for each.
ALL_INPUTS = frozenset(
    ["ChannelMapper", "FPG", "FPN", "FPN_CARAFE", "HRFPN", "JPU"]
    + ["NASFCOS_FPN", "NASFPN", "PAFPN", "RFP"]
)

#: Necks that take the first outputs, as many as they have `in_channels`.
FIRST_INPUTS = frozenset(["CLRFPN"])

#: Necks that do not change the channels.
PASS_THROUGH = frozenset(["GlobalAveragePooling"])


def link_channels(cfg: Part) -> list[str]:
    """Set the input channels of necks and heads to the backbone's output channels, in place.

    Models with another backbone than `FlexResNet` stay as they are. Models inside of models
    (`detector` of a tracker, `module` under test-time augmentation) are found.

    Args:
        cfg: a model's config, or a whole config with a `model`.

    Returns:
        One line per change.

    Raises:
        ConfigError: an option of the backbone is wrong, a head uses an output that the backbone
            does not return, or a fixed part of the model cannot follow.

    >>> model = dict(
    ...     backbone=dict(type="FlexResNet", depth=18, width=0.5),
    ...     neck=dict(type="FPN", in_channels=[64, 128, 256, 512], out_channels=64, num_outs=5),
    ... )
    >>> print(*link_channels(model))
    neck.in_channels: [64, 128, 256, 512] -> [32, 64, 128, 256] (follows the backbone)
    """
    changes: list[str] = []
    for where, model, plan in planned_models(cfg):
        link = _Link(where, changes)
        seen: Features = plan.out_channels
        if "backbone_cfg" in model["backbone"]:
            seen = link.branches(model["backbone"], plan.out_channels)
        seen = link.neck(model.get("neck"), seen)
        for name, part in model.items():
            if name == "roi_head" and isinstance(part, MutableMapping):
                link.roi_head(part, seen, model["backbone"])
            elif name == "head" or name.endswith("_head"):
                link.head(part, name, seen)
    return changes


def stride_warnings(cfg: Part) -> list[str]:
    """Warn about RoI extractors whose strides differ from the backbone's.

    These strides are not changed, since anchors and the assignment of boxes to levels depend on
    them.

    >>> model = dict(
    ...     backbone=dict(type="FlexResNet", depth=18, output_stride=16),
    ...     neck=dict(type="FPN", in_channels=[64, 128, 256, 512], out_channels=64, num_outs=4),
    ...     roi_head=dict(bbox_roi_extractor=dict(featmap_strides=[4, 8, 16, 32])),
    ... )
    >>> print(*stride_warnings(model))
    roi_head.bbox_roi_extractor.featmap_strides is [4, 8, 16, 32], and the backbone's strides are \
[4, 8, 16, 16]
    """
    warnings = []
    for where, model, plan in planned_models(cfg):
        neck = model.get("neck")
        first: Any = neck[0] if isinstance(neck, Sequence) and neck else neck
        if first is not None and (_kind(first) != "FPN" or first.get("start_level", 0)):
            continue
        roi_head = model.get("roi_head")
        for name in ("bbox_roi_extractor", "mask_roi_extractor"):
            extractor = roi_head.get(name) if isinstance(roi_head, Mapping) else None
            strides = extractor.get("featmap_strides") if isinstance(extractor, Mapping) else None
            # The neck adds levels beyond the backbone's.
            known = list(plan.out_strides)[: len(strides or [])]
            if strides and list(strides)[: len(known)] != known:
                warnings.append(
                    f"{where}roi_head.{name}.featmap_strides is {list(strides)}, and the "
                    f"backbone's strides are {list(plan.out_strides)}"
                )
    return warnings


class _Link:
    """Sets entries of one model's config, and records the changes."""

    def __init__(self, where: str, changes: list[str]) -> None:
        self.where = where
        self.changes = changes

    def set(self, part: Part, path: str, key: str, value: Any) -> None:
        before = part[key]
        after = value
        if isinstance(value, Sequence):  # some necks require a tuple
            after = tuple(value) if isinstance(before, tuple) else list(value)
        if before == after:
            return
        part[key] = after
        line = f"{self.where}{path}.{key}: {before} -> {after} (follows the backbone)"
        self.changes.append(line)

    def branches(self, outer: Part, channels: Sequence[int]) -> Features:
        """Set the channels of a backbone that has a branch around another one (`backbone_cfg`)."""
        if _kind(outer) == "ICNet" and len(channels) == 4:
            self.set(outer, "backbone", "layer_channels", [channels[1], channels[3]])
        if _kind(outer) != "BiSeNetV1" or len(channels) != 4:
            return []
        context = channels[1:]
        self.set(outer, "backbone", "context_channels", context)
        # Both paths are concatenated to as many channels as the second of these.
        spatial = [*outer["spatial_channels"][:-1], context[1] - context[0]]
        self.set(outer, "backbone", "spatial_channels", spatial)
        return [outer["out_channels"], context[0], context[0]]

    def neck(self, neck: Any, channels: Features) -> Features:
        """Set the neck's input channels; returns the channels of its outputs."""
        several = isinstance(neck, Sequence)
        first = neck[0] if several and neck else neck
        if not isinstance(first, MutableMapping) or _kind(first) in PASS_THROUGH:
            return channels
        path = "neck[0]" if several else "neck"
        given = first.get("in_channels")
        if isinstance(given, Sequence):
            # An unknown neck with another number of inputs selects among the outputs.
            if _kind(first) in ALL_INPUTS or len(given) == len(channels):
                self.set(first, path, "in_channels", channels)
            elif _kind(first) in FIRST_INPUTS:
                self.set(first, path, "in_channels", channels[: len(given)])
        elif isinstance(given, int):
            self.set(first, path, "in_channels", channels[-1])
        if _kind(first) != "JPU":
            return []
        # JPU returns the backbone's feature maps, except for the last, which it replaces.
        start = first.get("start_level", 0)
        last = first.get("end_level", -1)
        last = len(channels) - 1 if last == -1 else last - 1
        return [*channels[start:last], None]

    def head(self, head: Any, path: str, seen: Features) -> None:
        """Set the input channels of a head, or of each of a list of heads."""
        if isinstance(head, Sequence) and not isinstance(head, str):
            for number, one in enumerate(head):
                self.head(one, f"{path}[{number}]", seen)
            return
        if not isinstance(head, MutableMapping) or not seen:
            return
        self._in_channels(head, path, seen)
        if head.get("c1_in_channels") and seen[0] is not None:
            self.set(head, path, "c1_in_channels", seen[0])
        if "kernel_generate_head" in head:  # K-Net keeps its input head inside another
            self.head(head["kernel_generate_head"], f"{path}.kernel_generate_head", seen)

    def _in_channels(self, head: Part, path: str, seen: Features) -> None:
        given = head.get("in_channels")
        index = head.get("in_index")
        # MMSegmentation's heads use the last feature map by default.
        if index is None and path.startswith(("decode_head", "auxiliary_head")):
            index = -1
        if isinstance(given, Sequence):
            chosen = index if isinstance(index, Sequence) else range(len(seen))
            if len(given) != len(chosen) and not isinstance(index, Sequence):
                return
            if len(given) != len(chosen):
                raise ConfigError(
                    f"model.{self.where}{path}: in_channels={list(given)} and "
                    f"in_index={list(chosen)} have different lengths"
                )
            followed = [self._at(seen, i, path) for i in chosen]
            wanted = [new or old for new, old in zip(followed, given, strict=True)]
            self.set(head, path, "in_channels", wanted)
        elif isinstance(given, int):
            if isinstance(index, int):
                one = self._at(seen, index, path)
            else:
                # A dense head shares its convolutions over all levels: they must agree.
                one = seen[0] if len(set(seen)) == 1 else None
            if one is not None:
                self.set(head, path, "in_channels", one)

    def _at(self, seen: Features, index: int, path: str) -> int | None:
        if not -len(seen) <= index < len(seen):
            raise ConfigError(
                f"model.{self.where}{path}.in_index: there is no feature map {index}; backbone "
                f"(out_indices) and neck return {len(seen)}"
            )
        return seen[index]

    def roi_head(self, roi_head: Part, seen: Features, backbone: Mapping[str, Any]) -> None:
        """Set extractors and heads of a RoI head on the backbone's outputs (C4, DC5)."""
        if len(seen) != 1 or seen[0] is None:
            return
        channels = seen[0]
        for name in ("bbox_roi_extractor", "mask_roi_extractor"):
            extractors = roi_head.get(name)
            several = isinstance(extractors, Sequence)
            listed: Any = extractors if several else [extractors]
            for number, extractor in enumerate(listed):
                if isinstance(extractor, MutableMapping) and "out_channels" in extractor:
                    path = f"roi_head.{name}" + (f"[{number}]" if several else "")
                    self.set(extractor, path, "out_channels", channels)
        shared = roi_head.get("shared_head")
        if shared is not None:
            channels = self._shared_head(shared, channels, backbone)
        for name in ("bbox_head", "mask_head"):
            self.head(roi_head.get(name), f"roi_head.{name}", [channels])

    def _shared_head(self, shared: Part, channels: int, backbone: Mapping[str, Any]) -> int:
        """MMDetection's ResLayer: one stage of a plain ResNet; returns its output channels."""
        path = "roi_head.shared_head"
        if shared.get("depth") is not None and backbone.get("depth") is not None:
            self.set(shared, path, "depth", backbone["depth"])
        stage = shared.get("stage", 3)
        expansion = 1 if shared.get("depth") in (18, 34) else 4
        takes = 64 * 2 ** (stage - 1) * expansion
        if takes != channels:
            raise ConfigError(
                f"model.{self.where}{path}: {_kind(shared)} of depth {shared.get('depth')} takes "
                f"{takes} channels, the backbone has {channels}; its width is fixed, so keep the "
                "backbone's, or use a neck"
            )
        return 64 * 2**stage * expansion


def _kind(part: Mapping[str, Any]) -> str:
    kind = part.get("type")
    return kind.split(".")[-1] if isinstance(kind, str) else getattr(kind, "__name__", "")
