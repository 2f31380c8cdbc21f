"""Loading all weights of a backbone, with a report."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .adapt import (
    Adaptation,
    adapt_tensors,
    check_adapt,
    check_bands,
    reverse_first_conv,
    take_bands,
)
from .agreement import disagreements
from .backbone import INSIDE, Backbone, open_backbone
from .errors import CheckpointError, tell
from .report import LoadReport
from .values import plain, refuse_fused

logger = logging.getLogger(__name__)

# Layers that ImageNet checkpoints do not have; they keep their initialisation.
ADDED_LAYERS = re.compile(r"^layer\d+\.\d+\.(?:conv2\.conv_offset\.|(?!conv|bn|residual\.))")


def load_weights(
    model: nn.Module,
    source: str | Path | Mapping[str, Any],
    *,
    prefix: str | None = None,
    allow_partial: bool = False,
    adapt: Iterable[Adaptation] = (),
    reverse_channels: bool = False,
    bands: Sequence[int | None] | None = None,
) -> LoadReport:
    """Load a checkpoint into a backbone; on an error the backbone is unchanged.

    The names may be torchvision's, timm's, MMDetection's, MMPretrain's, MMSegmentation's,
    Detectron2's, Caffe2's, transformers', RT-DETR's, CLIP's, an ``nn.Sequential``'s or this
    project's, in a whole detector, at any depth of containers, wrapped or compiled. What makes the
    features other than the source's (adapted, left out, another style) is a ``CheckpointWarning``.

    Args:
        model: a ``FlexResNet``.
        source: a file (``.pth .pt .safetensors .pkl``), a URL, a state dict, or a name with a
            scheme: ``torchvision://resnet50``, ``timm://resnet50d.ra2_in1k``,
            ``hf-hub:timm/resnet50.a1_in1k``, ``open-mmlab://...``.
        prefix: of the backbone's names in the checkpoint; None detects it.
        allow_partial: load what matches, and leave the rest of the backbone unchanged.
        adapt: what may be changed so that the weights fit; each change is logged:
            ``'in_channels'``: the first convolution, for another number of input channels.
            ``'kernel_size'``: kernels, cropped to the centre or padded with zeros.
            ``'width'``: the leading channels are kept, for a narrower network.
        reverse_channels: reverse the first convolution's input channels, for weights of BGR
            images (Caffe, Detectron2) in a network for RGB images.
        bands: for each input channel of the network, the number that it has in the weights, from
            0; None is a channel that they do not have, which starts at zero. ``(3, 2, 1)`` takes
            red, green and blue of weights for Sentinel-2's bands, ``(0, 1, 2, None)`` adds a
            fourth channel to RGB.

    Returns:
        What matched. Only layers that no classifier has (plugins, attention, deformable
        convolutions' offsets) may be missing without ``allow_partial``.

    Raises:
        CheckpointError: the checkpoint cannot be read, does not match the whole backbone, or its
            stages have tensors that the backbone does not.
        ValueError, TypeError: an unknown adaptation, or no numbers of channels.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> print(load_weights(FlexResNet(18), FlexResNet(18).state_dict()))
        120 of 120 tensors matched
    """
    adaptations = check_adapt(adapt)
    chosen = check_bands(bands, reverse_channels)
    opened, backbone = open_backbone(source, prefix)
    tensors, report = match(
        model,
        backbone,
        opened.name,
        allow_partial,
        adaptations,
        reverse_channels,
        chosen,
        opened.options,
    )
    with torch.no_grad():
        model.load_state_dict(tensors, strict=False)
    model.is_init = True  # type: ignore[assignment]  # MMEngine: leave the values alone
    return report


def match(
    model: nn.Module,
    backbone: Backbone,
    name: str,
    allow_partial: bool,
    adapt: Collection[Adaptation],
    reverse_channels: bool,
    bands: Sequence[int | None] | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Tensor], LoadReport]:
    """The tensors to load, and the report; nothing is loaded yet.

    Args:
        model: the network, of which only the shapes are used.
        backbone: of the checkpoint.
        name: of the checkpoint, for messages.
        allow_partial, adapt, reverse_channels, bands: as in :func:`load_weights`.
        options: of ``FlexResNet``, that the checkpoint's store says, to compare the network with.

    Raises:
        CheckpointError: it does not fit.
    """
    own = model.state_dict()
    if not allow_partial:
        backbone.refuse_strange(name)
    found: dict[str, Tensor] = backbone.tensors
    if any(key.startswith("bn1.") or key == "stem.1.weight" for key in own):
        refuse_fused(found, name)
    turned: tuple[str, ...] = ()
    if reverse_channels:
        found, turned = reverse_first_conv(found)
    if bands is not None:
        found, turned = take_bands(found, bands, name)
    found, adapted = adapt_tensors(found, model, adapt)
    # Many checkpoints are older than batch counters, which nothing in a backbone uses.
    wanted = {key for key in own if key in found or not key.endswith("num_batches_tracked")}
    matched = {key for key in wanted & found.keys() if own[key].shape == found[key].shape}
    left_over = found.keys() - own.keys()
    report = LoadReport(
        matched=tuple(sorted(matched)),
        missing=tuple(sorted(wanted - found.keys())),
        unexpected=tuple(
            sorted([*left_over, *backbone.classifier, *backbone.others, *backbone.strange])
        ),
        reshaped=tuple(sorted((wanted & found.keys()) - matched)),
        adapted=turned + adapted,
        dialect=backbone.dialect.name,
    )
    inside = [key for key in left_over if _has_place(key, own)]
    _judge(report, inside, found, own, name, allow_partial)
    tensors = {key: plain(found[key], key, own[key], name) for key in sorted(matched)}
    logger.info("%s (%s): %s", name, report.dialect, report)
    _tell(report, [*inside, *backbone.strange], name)
    for what in disagreements(model, backbone.claims, options):
        tell(f"{name}: {what}")
    if backbone.claims.channel_order == "BGR" and not reverse_channels:
        tell(
            f"{name}: these weights expect BGR images, from 0 to 255, as "
            f"{backbone.claims.order_source} says; reverse_channels=True reverses the channels of "
            "the first convolution, for RGB images"
        )
    return tensors, report


def _tell(report: LoadReport, unused: list[str], name: str) -> None:
    """Warn of what was changed and of what was left out on either side."""
    for what in report.adapted:
        tell(f"{name}: {what}")
    for where, keys in (
        ("network keeps its own values of", [*report.missing, *report.reshaped]),
        ("network has no place for", unused),
    ):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            tell(f"{name}: the {where} {', '.join(sorted(keys)[:3])}{more}")


def _judge(
    report: LoadReport,
    strange: list[str],
    found: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    name: str,
    allow_partial: bool,
) -> None:
    needed = [key for key in report.missing if not ADDED_LAYERS.match(key)]
    if report.matched and (allow_partial or not (needed or strange or report.reshaped)):
        return
    message = f"{name}: does not match this backbone: {report}"
    if report.reshaped:
        key = report.reshaped[0]
        message += f"; {key} is {tuple(found[key].shape)} there, {tuple(own[key].shape)} here"
    if strange and not (needed or report.reshaped):
        message += f"; the backbone has no place for {sorted(strange)[0]}"
    message += "; check depth, width, stem and block options"
    if report.matched:
        message += ", or pass allow_partial=True"
        message += " or adapt=('in_channels', 'kernel_size', 'width')" if report.reshaped else ""
    raise CheckpointError(message)


def _has_place(key: str, own: Mapping[str, Tensor]) -> bool:
    """Whether a tensor that the network lacks is of a part that it has: its stem, its stages."""
    if not INSIDE.match(key) or key.endswith("num_batches_tracked"):
        return False
    part = key.split(".")[0]
    return not part.startswith("layer") or any(name.startswith(part + ".") for name in own)
