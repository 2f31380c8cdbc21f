"""One step of a model: a loss with backward and a prediction, on small random images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS
from torch import nn
from zoo_inputs import Inputs

#: Trackers that have no loss: their detector is trained by itself, on images.
TRAINED_BY_PARTS = ("DeepSORT", "StrongSORT", "SORT")


def run_model(model: ConfigDict, size: tuple[int, int], scope: str) -> nn.Module:
    """One loss with backward and one prediction, on random images.

    Args:
        model: a model's config, without downloads.
        size: height and width of the images, in pixels.
        scope: `mmdet` or `mmseg`, imported already.

    Returns:
        The model, as the step left it.

    Raises:
        ValueError: the loss or the gradients are not finite, or an image has no prediction.
    """
    if any(kind_of(part) == "MMSyncBN" for part in parts_of(model)):
        # It asks for the group of its process when it is built.
        torch.distributed.init_process_group(
            "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
        )
    built = MODELS.build(model)
    _init_weights(built)
    built = revert_sync_batchnorm(built)  # as the runner does in a single process
    batch = _batches(model, Inputs(model, size), scope)
    _train_once(built, batch)
    _predict_once(built, batch)
    return built


def parts_of(node: Any) -> Iterator[ConfigDict]:
    """Every dict in a config, outermost first."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list | tuple):
        for child in node:
            yield from parts_of(child)


def kind_of(part: ConfigDict) -> str:
    return str(part.get("type")).split(".")[-1]


def _init_weights(model: nn.Module) -> None:
    """First values, as training gives them."""
    if type(model).__name__ != "MultimodalEncoderDecoder":
        model.init_weights()
        return
    # SAN's head asks for CLIP's weights; all but that part have first values of their own.
    model.image_encoder.init_weights()
    model.text_encoder.init_weights()
    model.decode_head.side_adapter_network.init_weights()
    for name in ("positional_embedding", "text_projection"):
        nn.init.normal_(getattr(model.text_encoder, name), std=0.02)


Batch = Callable[[], dict[str, Any]]


def _batches(model: ConfigDict, inputs: Inputs, scope: str) -> tuple[Batch, Batch]:
    """What makes a batch to train on, and one to predict for."""
    kind = model.type.split(".")[-1]
    if scope == "mmseg":
        return inputs.segmentation, inputs.segmentation
    if kind == "CLRNet":
        return inputs.lanes, inputs.lanes
    preprocessor = str(model.get("data_preprocessor", {}).get("type"))
    if preprocessor == "MultiBranchDataPreprocessor":
        return inputs.semi_supervised, inputs.detection
    if preprocessor == "TrackDataPreprocessor":
        on_images = model.data_preprocessor.get("use_det_processor") or kind in TRAINED_BY_PARTS
        return (
            inputs.detection if on_images else lambda: inputs.video(batch=1),
            lambda: inputs.video(batch=1),
        )
    proposals = "roi_head" in model and not model.get("rpn_head")

    def images() -> dict[str, Any]:
        return inputs.detection(proposals=proposals)

    return images, images


def _train_once(model: Any, batches: tuple[Batch, Batch]) -> None:
    model.train()
    trained = model.detector if type(model).__name__ in TRAINED_BY_PARTS else model
    preprocessor = model.data_preprocessor
    if trained is not model:
        # Its own has no mean and padding: those stand in the tracker's, for videos.
        preprocessor = MODELS.build({"type": "DetDataPreprocessor", "pad_size_divisor": 32})
    data = preprocessor(batches[0](), True)
    _settle_norms(trained, data["inputs"])
    loss, _ = trained.parse_losses(trained(**data, mode="loss"))
    if not torch.isfinite(loss):
        raise ValueError(f"the loss is {loss.item()}")
    loss.backward()
    gradients = [p for p in trained.parameters() if p.grad is not None]
    # One number that is finite only if all of them are; the gradients stay as they are.
    if not gradients or not nn.utils.clip_grad_norm_(gradients, float("inf")).isfinite():
        raise ValueError("no finite gradients")


def _settle_norms(model: nn.Module, inputs: Any) -> None:
    """Give batch norms the statistics of these images.

    A backbone that is made to be loaded keeps its norms in eval mode; with random weights its
    activations then grow from layer to layer, and boxes end far outside the images.
    """
    while isinstance(inputs, dict):
        inputs = next(iter(inputs.values()))
    images = inputs.flatten(0, 1) if inputs.ndim == 5 else inputs
    norms = [
        one
        for one in model.modules()
        if isinstance(one, nn.modules.batchnorm._BatchNorm) and one.eps > 0
    ]
    before = [(one.training, one.momentum) for one in norms]
    for norm in norms:
        norm.training = True  # not train(), which norm_eval keeps in eval mode
        norm.momentum = 1.0
    with torch.no_grad():
        for part in list(model.modules()):
            if isinstance(getattr(part, "backbone", None), nn.Module):
                part.backbone(images)
    for norm, (training, momentum) in zip(norms, before, strict=True):
        norm.training = training
        norm.momentum = momentum


def _predict_once(model: Any, batches: tuple[Batch, Batch]) -> None:
    model.eval()
    with torch.no_grad():
        data = model.data_preprocessor(batches[1](), False)
        expected = len(data["data_samples"])
        found = model(**data, mode="predict")
    if len(found) != expected:
        raise ValueError(f"{len(found)} predictions for {expected} images")
