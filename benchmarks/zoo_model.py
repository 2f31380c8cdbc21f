"""One config of a zoo: build its model, one loss with backward, one prediction.

Nothing is downloaded: weights are random, and what cannot do without a download is told.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from torch import nn
from zoo_inputs import LANES_SIZE, SIZE, Inputs, values_of

import resblock_backbones  # noqa: F401  (MMCV's operators, FlexResNet)
from resblock_backbones.openmmlab.channels import link_channels
from resblock_backbones.openmmlab.screen import import_scope

#: MMSegmentation's V1c and V1d are a ResNet with these options.
FLEXIBLE: dict[str, dict[str, Any]] = {
    "ResNet": {},
    "ResNeXt": {},
    "ResNetV1c": {"deep_stem": True, "avg_down": False},
    "ResNetV1d": {"deep_stem": True, "avg_down": True},
}

#: Backbones that take pictures of one size only, the one that their config names.
FIXED_SIZE = ("BEiT", "MAE", "SSDVGG")

#: A part that has to see larger pictures than others -> their height and width, in pixels.
LARGE = {"LRASPPHead": (512, 512), "CLRNet": LANES_SIZE}

#: Proposals of an RPN: with random weights each one of 1000 would pass for 13,000 classes.
PROPOSALS = 100

#: Parts that name what they need in no error.
NEEDED = {"VPD": "ldm"}

#: Trackers that have no loss: their detector is trained by itself, on pictures.
TRAINED_BY_PARTS = ("DeepSORT", "StrongSORT", "SORT")


class NeedsMore(Exception):
    """The config needs what is in no package of MMDetection, MMSegmentation and MMCV."""


class NoModel(Exception):
    """The config is a part of others and has no model."""


class NothingToReplace(Exception):
    """No backbone in the config is one that FlexResNet stands for."""


def config_folder(package: str) -> Path:
    """Where an installed `mmdet` or `mmseg` keeps its configs."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"{package}: not installed")
    return Path(spec.submodule_search_locations[0]) / ".mim/configs"


def run_config(package: str, name: str, *, flex: bool) -> None:
    """Build, differentiate and predict.

    Args:
        package: `mmdet` or `mmseg`.
        name: of the config, below `config_folder`.
        flex: with FlexResNet in place of the zoo's ResNets.

    Raises:
        NeedsMore: another package, or a download, is needed; the message names it.
        NothingToReplace: `flex`, and there is no such backbone.
        Exception: whatever else goes wrong.
    """
    torch.manual_seed(0)
    _refuse_downloads()
    with _named_needs(), _quiet():
        cfg = Config.fromfile(config_folder(package) / name)
        scope = cfg.get("default_scope", package)
        if "model" not in cfg:
            raise NoModel
        import_scope(scope)
        init_default_scope(scope)
        hub = MessageHub.get_instance("zoo")
        for key, value in {"iter": 0, "epoch": 0, "max_epochs": 1, "max_iters": 1}.items():
            hub.update_info(key, value)  # some losses and augmentations ask how far a run is
        size = prepare(cfg.model, package)
        if flex and not replace_backbones(cfg.model):
            raise NothingToReplace
        link_channels(cfg.model)
        if any(_kind(part) == "MMSyncBN" for part in _parts(cfg.model)):
            # It asks for the group of its process when it is built.
            torch.distributed.init_process_group(
                "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
            )
        model = MODELS.build(cfg.model)
        _init_weights(model)
        model = revert_sync_batchnorm(model)  # as the runner does in a single process
        batch = _batches(cfg.model, Inputs(cfg.model, size), scope)
        _train_once(model, batch)
        _predict_once(model, batch)


def prepare(model: ConfigDict, package: str) -> tuple[int, int]:
    """Take out of a model's config what downloads, and make it fit small pictures, in place.

    Returns:
        Height and width of the pictures that it takes.
    """
    # Two-stage DETRs choose this many of all places on their maps, strides 8 to 64.
    queries = max([n for n in values_of(model, "num_queries") if isinstance(n, int)], default=0)
    size = (SIZE, SIZE) if queries <= 300 else (2 * SIZE, 2 * SIZE)
    for part in _parts(model):
        for key in ("pretrained", "teacher_ckpt"):
            if part.get(key) is not None:
                part[key] = None
        _drop_pretrained(part)
        if isinstance(part.get("teacher_config"), str):
            teacher = part["teacher_config"].removeprefix("configs/")
            part["teacher_config"] = Config.fromfile(config_folder(package) / teacher)
            prepare(part["teacher_config"].model, package)
        kind = _kind(part)
        if kind in FIXED_SIZE:
            fixed = part.get("img_size") or next(values_of(model, "input_size"), 224)
            size = tuple(fixed) if isinstance(fixed, list | tuple) else (fixed, fixed)
        size = LARGE.get(kind, size)
        if kind == "CLIPTextEncoder":
            part["templates"] = ["a photo of a {}."]  # instead of fourteen, for each class
        if kind in NEEDED and importlib.util.find_spec(NEEDED[kind]) is None:
            raise NeedsMore(f"the package {NEEDED[kind]}")
        for key in ("rpn", "rpn_proposal"):
            if isinstance(part.get(key), dict) and "max_per_img" in part[key]:
                part[key]["max_per_img"] = PROPOSALS
    for part in _parts(model):
        kind = _kind(part)
        # Else small pictures are padded to the size of the true ones.
        padded = kind in ("BatchFixedSizePad", "SegDataPreProcessor")
        if padded and part.get("size"):
            part["size"] = size
        if kind == "SegDataPreProcessor" and part.get("size_divisor"):
            part["size_divisor"] = min(part["size_divisor"], 32)
    return size


def replace_backbones(model: ConfigDict) -> int:
    """Put FlexResNet with the same options in place of the zoo's ResNets; returns how many."""
    replaced = 0
    for part in _parts(model):
        backbone = part.get("backbone")
        if not isinstance(backbone, dict) or str(backbone.type).startswith("mmpretrain."):
            continue
        if _kind(backbone) in FLEXIBLE:
            backbone.update(FLEXIBLE[_kind(backbone)])
            backbone["type"] = "FlexResNet"
            replaced += 1
    return replaced


def _parts(node: Any) -> Iterator[ConfigDict]:
    """Every dict in a config, outermost first."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list | tuple):
        for child in node:
            yield from _parts(child)


def _kind(part: ConfigDict) -> str:
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


def _drop_pretrained(part: ConfigDict) -> None:
    given = part.get("init_cfg")
    if isinstance(given, dict) and "checkpoint" in given:
        part["init_cfg"] = None
    elif isinstance(given, list | tuple):
        part["init_cfg"] = [one for one in given if "checkpoint" not in one]


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
        on_pictures = model.data_preprocessor.get("use_det_processor") or kind in TRAINED_BY_PARTS
        return (
            inputs.detection if on_pictures else lambda: inputs.video(batch=1),
            lambda: inputs.video(batch=1),
        )
    proposals = "roi_head" in model and not model.get("rpn_head")

    def pictures() -> dict[str, Any]:
        return inputs.detection(proposals=proposals)

    return pictures, pictures


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
    gradients = [p.grad for p in trained.parameters() if p.grad is not None]
    if not gradients or not all(torch.isfinite(one).all() for one in gradients):
        raise ValueError("no finite gradients")


def _settle_norms(model: nn.Module, inputs: Any) -> None:
    """Give batch norms the statistics of these pictures.

    A backbone that is made to be loaded keeps its norms in eval mode; with random weights its
    activations then grow from layer to layer, and boxes end far outside the pictures.
    """
    while isinstance(inputs, dict):
        inputs = next(iter(inputs.values()))
    pictures = inputs.flatten(0, 1) if inputs.ndim == 5 else inputs
    norms = [
        one
        for one in model.modules()
        if isinstance(one, nn.modules.batchnorm._BatchNorm) and one.eps > 0
    ]
    before = [(one.training, one.momentum) for one in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        for part in list(model.modules()):
            if isinstance(getattr(part, "backbone", None), nn.Module):
                part.backbone(pictures)
    for norm, (training, momentum) in zip(norms, before, strict=True):
        norm.train(training)
        norm.momentum = momentum


def _predict_once(model: Any, batches: tuple[Batch, Batch]) -> None:
    model.eval()
    with torch.no_grad():
        data = model.data_preprocessor(batches[1](), False)
        expected = len(data["data_samples"])
        found = model(**data, mode="predict")
    if len(found) != expected:
        raise ValueError(f"{len(found)} predictions for {expected} pictures")


def _refuse_downloads() -> None:
    """Make every connection of this process an error that says so."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise NeedsMore("a download")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.create_connection = refuse
    socket.getaddrinfo = refuse
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    MMLogger.get_instance("zoo", log_level="ERROR")
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _named_needs() -> Iterator[None]:
    """Tell errors about missing packages and files from all others."""
    try:
        yield
    except (NeedsMore, NoModel, NothingToReplace):
        raise
    except Exception as error:
        chain: list[BaseException] = []
        cause: BaseException | None = error
        while cause is not None and cause not in chain:
            chain.append(cause)
            cause = cause.__cause__ or cause.__context__
        for one in chain:
            if isinstance(one, NeedsMore):
                raise one from error
            package = _missing_package(one)
            if package:
                raise NeedsMore(f"the package {package}") from error
        raise


def _missing_package(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.split(".")[0]
    text = str(error)
    for pattern in (
        r"mim install (\w+)",
        r"pip install (\w+)",
        r"install (\w+) first",
        r"(\w+) is not installed",
        r"No module named '(\w+)",
        r"is not in the (mmpretrain)::",
    ):
        found = re.search(pattern, text)
        if found and (isinstance(error, ImportError | RuntimeError | KeyError)):
            name = found[1].lower()
            if importlib.util.find_spec(name) is None:
                return name
    return None
