"""Several classifiers on the same images, each with its own preprocessing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..weights import Backbone, CheckpointError, find_backbone
from ..weights.backbone import open_backbone
from ..weights.inferring.options import describe, infer_options
from .classifier import build_classifier
from .evaluate import Errors, evaluate, open_folder
from .preprocessing import Preprocessing, preprocessing_of


@dataclass(frozen=True)
class Candidate:
    """Weights to evaluate: one row of the table.

    Attributes:
        architecture: a name of torchvision's or timm's, or any other.
        weights: a source, as in ``load_weights``.
        prefix: of the backbone's names in the weights; None detects it.
    """

    architecture: str
    weights: str
    prefix: str | None = None


def compare(
    candidates: Sequence[Candidate],
    folder: Path,
    *,
    preprocess: Preprocessing = "auto",
    batch_size: int = 64,
    workers: int = 0,
    device: str = "cpu",
    progress: bool = True,
    on_row: Callable[[Errors], None] = lambda row: None,
) -> list[Errors]:
    """Top-1 and Top-5 errors of each candidate on all images of a folder.

    Args:
        candidates: the weights; all are opened and checked before the first is evaluated.
        folder: of images, as in ``evaluate``.
        preprocess: as in ``preprocessing_of``.
        batch_size, workers, device, progress: as in ``evaluate``.
        on_row: called with each result.

    Raises:
        CheckpointError: weights cannot be read, are not of the named architecture, or have no
            classifier.
        FolderError: the folder does not fit the classifiers.
    """
    for candidate in candidates:
        backbone = _check(candidate)
        preprocessing_of(candidate.weights, backbone, preprocess)
        open_folder(folder, None, backbone.classifier["fc.weight"].shape[0])
    rows = []
    for candidate in candidates:
        opened, backbone = open_backbone(candidate.weights, candidate.prefix)
        options = _unseen(candidate.architecture) | dict(opened.options)
        classifier = build_classifier(opened, backbone, options)
        row = evaluate(
            display_name(candidate.architecture),
            classifier,
            folder,
            preprocessing_of(candidate.weights, backbone, preprocess),
            classes=classifier.fc.out_features,
            batch_size=batch_size,
            workers=workers,
            device=device,
            progress=progress,
        )
        on_row(row)
        rows.append(row)
    return rows


def display_name(architecture: str) -> str:
    """An architecture's name as papers write it.

    >>> display_name("resnet18"), display_name("seresnext50_32x4d"), display_name("mine")
    ('ResNet-18', 'SE-ResNeXt-50-32x4d', 'mine')
    """
    match = re.fullmatch(r"(wide_|se|eca)?(resnet|resnext)(\d+)(\w*)", architecture)
    if match is None:
        return architecture
    before = {None: "", "wide_": "Wide-", "se": "SE-", "eca": "ECA-"}[match[1]]
    family = "ResNet" if match[2] == "resnet" else "ResNeXt"
    return f"{before}{family}-{match[3]}{match[4].replace('_', '-')}"


def _check(candidate: Candidate) -> Backbone:
    opened, backbone = open_backbone(candidate.weights, candidate.prefix)
    if "fc.weight" not in backbone.classifier:
        raise CheckpointError(f"{opened.name}: holds no classifier (fc.weight), only a backbone")
    expected = _model(candidate.architecture)
    if expected is not None:
        wanted = infer_options(_shapes(find_backbone(expected, candidate.architecture)), "")
        found = infer_options(_shapes(backbone), opened.name)
        if wanted != found:
            raise CheckpointError(
                f"{opened.name}: is not a {candidate.architecture} ({describe(wanted)}); its "
                f"weights are those of {describe(found)}"
            )
    return backbone


def _shapes(backbone: Backbone) -> dict[str, Any]:
    return {key: tuple(tensor.shape) for key, tensor in backbone.tensors.items()}


def _model(architecture: str) -> dict[str, Any] | None:
    """State dict, on the meta device, of an architecture of torchvision or timm; else None."""
    import torchvision

    with torch.device("meta"):
        if architecture in torchvision.models.list_models(torchvision.models):
            return torchvision.models.get_model(architecture).state_dict()
        try:
            import timm
        except ImportError:
            return None
        return timm.create_model(architecture).state_dict() if timm.is_model(architecture) else None


def _unseen(architecture: str) -> dict[str, Any]:
    """Options of an architecture of timm that its weights do not show."""
    try:
        import timm

        from ..weights.reading.timm_source import architecture_options
    except ImportError:
        return {}
    return architecture_options(architecture) if timm.is_model(architecture) else {}
