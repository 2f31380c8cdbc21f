"""The page of all configs: parameters, FLOPs and outputs of each, and measured results."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope

from ...console.quietly import quietly
from ...files.shipped_configs import config_files
from ...options.errors import ConfigError
from ...resnet.measure.flops import flop_counter
from ...resnet.network import FlexResNet
from .read import read_config
from .scopes import scope_of

#: The file of measured results, beside the configs: a list of `Run`s.
MEASURED = "measured.json"
#: Input sizes after MMDetection's resizing to 1333 x 800 or 160 x 160, and of ImageNet: (H, W).
IMAGE_SIZES = {"coco": (800, 1344), "shapes": (160, 160), "in1k": (224, 224)}

#: The packages whose whole models are counted: those that the commands require.
COUNTED = ("mmdet", "mmseg")


@dataclass(frozen=True)
class Row:
    """One config.

    Attributes:
        name: the file, relative to the folder of configs.
        parameters: of the whole model; None for MMPretrain's, which need not be installed.
        backbone_parameters: of the backbone alone.
        flops: of the backbone for one image; a multiply-add counts as two.
        size: height and width of that image, in pixels.
        strides, channels: of the backbone's outputs.
    """

    name: str
    parameters: int | None
    backbone_parameters: int
    flops: int
    size: tuple[int, int]
    strides: tuple[int, ...]
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """A measured training run.

    Attributes:
        config: the file, relative to the folder of configs.
        scores: name of a metric -> value.
        iterations: number of iterations.
        minutes: duration.
        machine: description of the machine.
    """

    config: str
    scores: dict[str, float]
    iterations: int
    minutes: float
    machine: str


def read_rows(folder: Path, on_row: Callable[[], None] = lambda: None) -> list[Row]:
    """Measure the configs of a folder, on the meta device where possible.

    Raises:
        ConfigError: there is no config, or one is wrong.
    """
    files = config_files(folder)
    if not files:
        raise ConfigError(f"{folder}: there is no config in it")
    rows = []
    for file in files:
        rows.append(read_row(folder, file))
        on_row()
    return rows


def read_row(folder: Path, file: Path) -> Row:
    """Measure one config."""
    cfg = read_config(str(file))
    size = _image_size(cfg, file)
    with quietly():
        backbone, flops = _measure_backbone(cfg, size)
        return Row(
            name=file.relative_to(folder).as_posix(),
            parameters=_model_parameters(cfg),
            backbone_parameters=_count(backbone),
            flops=flops,
            size=size,
            strides=tuple(backbone.out_strides),
            channels=tuple(backbone.out_channels),
        )


def read_runs(folder: Path) -> list[Run]:
    """The measured runs.

    Raises:
        ConfigError: a run names a config that does not exist.
    """
    file = folder / MEASURED
    runs = [Run(**one) for one in json.loads(file.read_text())] if file.is_file() else []
    for run in runs:
        if not (folder / run.config).is_file():
            raise ConfigError(f"{file}: {run.config}: there is no such config")
    return runs


def format_page(rows: Sequence[Row], runs: Sequence[Run]) -> str:
    """The page, in Markdown.

    >>> row = Row("fcn/a_shapes.py", 2_000_000, 1_000_000, 10**9, (160, 160), (4, 8), (32, 64))
    >>> print(format_page([row], []).splitlines()[-1])
    | [a_shapes](fcn/a_shapes.py) | 2.0 | 1.0 | 1.0 | 160x160 | 4, 8 | 32, 64 |
    """
    lines = [
        "# Configs",
        "",
        "Written by `python tools/list_configs.py`, which builds every one of them.",
        "",
        "Parameters are in millions, of the whole model and of its backbone. GFLOPs are those of",
        "the backbone for one image of the given size, height by width; a multiply-add counts as",
        "two. Strides and channels are those of the backbone's output feature maps. Of the",
        "classifiers in `imagenet/` only the backbone is counted.",
        "",
        "`_base_/` has the parts: models, data sets, schedules.",
    ]
    if runs:
        lines += ["", "## On `shapes`, from scratch", "", *_runs_table(runs)]
    for folder in dict.fromkeys(row.name.split("/")[0] for row in rows):
        lines += [
            "",
            f"## {folder}",
            "",
            "| config | model, M | backbone, M | GFLOPs | input | strides | channels |",
            "|---|---:|---:|---:|---|---|---|",
        ]
        lines += [_table_row(row) for row in rows if row.name.startswith(f"{folder}/")]
    return "\n".join(lines) + "\n"


def _runs_table(runs: Sequence[Run]) -> Iterator[str]:
    yield "| command | result | iterations | minutes | machine |"
    yield "|---|---|---:|---:|---|"
    for run in runs:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in run.scores.items())
        yield (
            f"| `python tools/train.py configs/{run.config}` | {scores} | {run.iterations} | "
            f"{run.minutes:.1f} | {run.machine} |"
        )


def _table_row(row: Row) -> str:
    whole = "-" if row.parameters is None else f"{row.parameters / 1e6:.1f}"
    cells = [
        f"[{Path(row.name).stem}]({row.name})",
        whole,
        f"{row.backbone_parameters / 1e6:.1f}",
        f"{row.flops / 1e9:.1f}",
        "{}x{}".format(*row.size),
        ", ".join(map(str, row.strides)),
        ", ".join(map(str, row.channels)),
    ]
    return f"| {' | '.join(cells)} |"


def _image_size(cfg: Config, file: Path) -> tuple[int, int]:
    size = cfg.model.get("data_preprocessor", {}).get("size")
    if size is not None:
        return tuple(size)
    for data, known in IMAGE_SIZES.items():
        if file.stem.endswith(data):
            return known
    raise ConfigError(f"{file}: its name ends in none of {', '.join(IMAGE_SIZES)}")


def _measure_backbone(cfg: Config, size: tuple[int, int]) -> tuple[FlexResNet, int]:
    """The backbone, and its FLOPs for one image."""
    options = dict(cfg.model.backbone) | {"init_cfg": None}
    kind = options.pop("type")
    # A name, a class, or a class's dotted name.
    built = MODELS.get(kind) if isinstance(kind, str) else kind
    if not (inspect.isclass(built) and issubclass(built, FlexResNet)):
        name = kind if isinstance(kind, str) else getattr(kind, "__name__", kind)
        raise ConfigError(f"{cfg.filename}: model.backbone is a {name}, not a FlexResNet")
    # Deformable convolutions do not run on the meta device.
    device = "cpu" if options.get("dcn") else "meta"
    with torch.device(device), torch.no_grad():
        backbone = built(**options).eval()
        with flop_counter() as counter:
            backbone(torch.zeros(1, 3, *size))
    return backbone, counter.get_total_flops()


def _model_parameters(cfg: Config) -> int | None:
    scope = scope_of(cfg)
    if scope not in COUNTED:
        return None
    with DefaultScope.overwrite_default_scope(scope), torch.device("meta"):
        return _count(MODELS.build(ConfigDict(_without_synchronised_norms(cfg.model))))


def _without_synchronised_norms(part: Any) -> Any:
    """Norms with as many parameters that need no process group."""
    if isinstance(part, Mapping):
        kept = {key: _without_synchronised_norms(value) for key, value in part.items()}
        return kept | ({"type": "BN"} if part.get("type") == "SyncBN" else {})
    if isinstance(part, list | tuple):
        return type(part)(_without_synchronised_norms(one) for one in part)
    return part


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
