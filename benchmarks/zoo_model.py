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
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import init_default_scope
from zoo_inputs import LANES_SIZE, SIZE, values_of
from zoo_step import kind_of, parts_of, run_model

import resblock_backbones  # noqa: F401  (MMCV's operators, FlexResNet)
from resblock_backbones.openmmlab.configs.scopes import import_scope
from resblock_backbones.openmmlab.models.channels import link_channels

#: MMSegmentation's V1c and V1d are a ResNet with these options.
FLEXIBLE: dict[str, dict[str, Any]] = {
    "ResNet": {},
    "ResNeXt": {},
    "ResNetV1c": {"deep_stem": True, "avg_down": False},
    "ResNetV1d": {"deep_stem": True, "avg_down": True},
}

#: Backbones that take images of one size only, the one that their config names.
FIXED_SIZE = ("BEiT", "MAE", "SSDVGG")

#: A part that has to see larger images than others -> their height and width, in pixels.
LARGE = {"LRASPPHead": (512, 512), "CLRNet": LANES_SIZE}

#: Proposals of an RPN: with random weights each one of 1000 would pass for 13,000 classes.
PROPOSALS = 100

#: Parts that name what they need in no error.
NEEDED = {"VPD": "ldm"}


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
    refuse_downloads()
    with named_needs(), quiet():
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
        run_model(cfg.model, size, scope)


def prepare(model: ConfigDict, package: str) -> tuple[int, int]:
    """Take out of a model's config what downloads, and make it fit small images, in place.

    Returns:
        Height and width of the images that it takes.
    """
    # Two-stage DETRs choose this many of all places on their maps, strides 8 to 64.
    queries = max([n for n in values_of(model, "num_queries") if isinstance(n, int)], default=0)
    size = (SIZE, SIZE) if queries <= 300 else (2 * SIZE, 2 * SIZE)
    for part in parts_of(model):
        for key in ("pretrained", "teacher_ckpt"):
            if part.get(key) is not None:
                part[key] = None
        _drop_pretrained(part)
        if isinstance(part.get("teacher_config"), str):
            teacher = part["teacher_config"].removeprefix("configs/")
            part["teacher_config"] = Config.fromfile(config_folder(package) / teacher)
            prepare(part["teacher_config"].model, package)
        kind = kind_of(part)
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
    for part in parts_of(model):
        kind = kind_of(part)
        # Else small images are padded to the size of the true ones.
        padded = kind in ("BatchFixedSizePad", "SegDataPreProcessor")
        if padded and part.get("size"):
            part["size"] = size
        if kind == "SegDataPreProcessor" and part.get("size_divisor"):
            part["size_divisor"] = min(part["size_divisor"], 32)
    return size


def replace_backbones(model: ConfigDict) -> int:
    """Put FlexResNet with the same options in place of the zoo's ResNets; returns how many."""
    replaced = 0
    for part in parts_of(model):
        backbone = part.get("backbone")
        if not isinstance(backbone, dict) or str(backbone.type).startswith("mmpretrain."):
            continue
        if kind_of(backbone) in FLEXIBLE:
            backbone.update(FLEXIBLE[kind_of(backbone)])
            backbone["type"] = "FlexResNet"
            replaced += 1
    return replaced


def _drop_pretrained(part: ConfigDict) -> None:
    given = part.get("init_cfg")
    if isinstance(given, dict) and "checkpoint" in given:
        part["init_cfg"] = None
    elif isinstance(given, list | tuple):
        part["init_cfg"] = [one for one in given if "checkpoint" not in one]


def refuse_downloads() -> None:
    """Make every connection of this process an error that says so."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise NeedsMore("a download")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.create_connection = refuse
    socket.getaddrinfo = refuse
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    MMLogger.get_instance("zoo", log_level="ERROR")
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def named_needs() -> Iterator[None]:
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
