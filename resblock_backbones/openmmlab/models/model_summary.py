"""Parameters and FLOPs of a config's whole model, part by part."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from ...console.quietly import quietly
from ...console.table import text_table
from ...options.errors import ConfigError
from ...resnet.measure.flops import flop_counter
from ..configs.read import read_config
from ..configs.scopes import scope_of
from .channels import link_channels

#: What carries an image's size into a model's forward pass.
SAMPLES = {
    "mmdet": ("mmdet.structures", "DetDataSample"),
    "mmseg": ("mmseg.structures", "SegDataSample"),
}


@dataclass(frozen=True)
class PartSummary:
    """A part of a model: ``backbone``, ``neck``, a head.

    Attributes:
        name: as the model calls it.
        parameters: how many.
        flops: of one image; a multiply-add counts as two. None where the model could not be run.
    """

    name: str
    parameters: int
    flops: int | None


@dataclass(frozen=True)
class ModelSummary:
    """A whole model in numbers.

    Attributes:
        kind: its class.
        image: height and width of the image.
        parts: in the model's order.
        changes: what follows the backbone's channels, as training tells it.
        note: why there are no FLOPs; else nothing.
    """

    kind: str
    image: tuple[int, int]
    parts: tuple[PartSummary, ...]
    changes: tuple[str, ...]
    note: str

    @property
    def parameters(self) -> int:
        """Parameters of the whole model."""
        return sum(part.parameters for part in self.parts)

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for programs."""
        return asdict(self) | {"parameters": self.parameters}

    def __str__(self) -> str:
        rows = [
            (part.name, f"{part.parameters:,}", _in_millions(part.flops)) for part in self.parts
        ]
        counted = [part.flops for part in self.parts if part.flops is not None]
        total = ("all", f"{self.parameters:,}", _in_millions(sum(counted) if counted else None))
        head = (self.kind, "parameters", "MFLOPs")
        lines = [*self.changes, text_table([head, *rows, total], right=(1, 2))]
        return "\n".join(lines + ([f"no FLOPs: {self.note}"] if self.note else []))


def summarise_model(
    config: str,
    cfg_options: Mapping[str, Any] | None = None,
    image: tuple[int, int] = (224, 224),
) -> ModelSummary:
    """Parameters and FLOPs of each part of a model.

    FLOPs are those of the model's own ``forward(..., mode="tensor")`` on one image, with first
    values as weights; those of the heads of two-stage detectors depend on how many boxes the first
    stage proposes.

    Args:
        config: the config file.
        cfg_options: dotted key -> value, merged into the config.
        image: height and width, in pixels.

    Raises:
        ConfigError: the config cannot be read, or its model cannot be built.
    """
    cfg = read_config(config, cfg_options)
    if not isinstance(cfg.get("model"), Mapping):
        raise ConfigError(f"{config}: has no 'model'")
    scope = scope_of(cfg)
    changes = link_channels(cfg.model)
    with quietly(), DefaultScope.overwrite_default_scope(scope), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            model = MODELS.build(ConfigDict(cfg.model))
        except (TypeError, ValueError, KeyError) as error:
            raise ConfigError(f"{config}: its model cannot be built: {error}") from error
        model = revert_sync_batchnorm(model).eval()
        try:
            counts, note = _flops(model, cfg, scope, image), ""
        except Exception as error:  # a forward of any package, which may need what is not here
            counts, note = None, f"the model's forward fails: {' '.join(str(error).split())}"
    parts = [
        PartSummary(
            name,
            sum(one.numel() for one in part.parameters()),
            None if counts is None else _of_part(counts, type(model).__name__, name),
        )
        for name, part in model.named_children()
    ]
    own = sum(one.numel() for one in model.parameters(recurse=False))
    if counts is not None:
        rest = counts["Global"] - sum(part.flops or 0 for part in parts)
        parts += [PartSummary("between the parts", own, rest)] if rest or own else []
    elif own:
        parts.append(PartSummary("between the parts", own, None))
    told = [part for part in parts if part.parameters or part.flops]
    return ModelSummary(type(model).__name__, image, tuple(told), tuple(changes), note)


def _flops(
    model: nn.Module, cfg: Config, scope: str | None, image: tuple[int, int]
) -> dict[str, int]:
    """FLOPs by the names of modules, as PyTorch's counter tells them."""
    channels = cfg.model.get("backbone", {}).get("in_channels", 3)
    x = torch.zeros(1, channels, *image)
    arguments: dict[str, Any] = {"mode": "tensor"}
    if scope in SAMPLES:
        module, name = SAMPLES[scope]
        sizes = {"img_shape": image, "ori_shape": image, "pad_shape": image}
        info = sizes | {"batch_input_shape": image, "scale_factor": (1.0, 1.0)}
        sample = getattr(importlib.import_module(module), name)(metainfo=info)
        arguments["data_samples"] = [sample]
    with torch.no_grad(), flop_counter() as counter:
        model(x, **arguments)
    return {name: sum(by.values()) for name, by in counter.get_flop_counts().items()}


def _of_part(counts: Mapping[str, int], root: str, name: str) -> int:
    """FLOPs of a part; of one whose ``forward`` is not called itself, those of its own parts."""
    prefix = f"{root}.{name}"
    if prefix in counts:
        return counts[prefix]
    inside = [key for key in counts if key.startswith(f"{prefix}.")]
    return sum(
        counts[key] for key in inside if not any(key.startswith(f"{outer}.") for outer in inside)
    )


def _in_millions(flops: int | None) -> str:
    return "-" if flops is None else f"{flops / 1e6:,.1f}"
