"""Export of a backbone to a file, compared with the network it was made from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ..files.whole import write_whole
from ..options.checks import check_bool, check_choice, check_int
from ..resnet.network import FlexResNet
from ..version import __version__
from .deformable import make_exportable
from .errors import ExportError
from .formats import FORMATS, Facts, Run, quiet
from .fuse import FusedBackbone, fuse
from .opsets import LOWEST

#: Tolerance of an output, relative to the largest value of the network's.
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}


@dataclass(frozen=True)
class Checked:
    """Comparison of the file's outputs with the network's, for one input.

    Attributes:
        shape: of the input, ``(N, C, H, W)``.
        differences: the largest difference of each output, relative to its largest value.
    """

    shape: tuple[int, ...]
    differences: tuple[float, ...]


@dataclass(frozen=True)
class Exported:
    """Result of :func:`export`; as a string, the table of differences.

    Attributes:
        path: the file.
        size: of the file, in bytes.
        facts: names, channels and strides, which are also stored in the file.
        checked: one entry for each input.
    """

    path: Path
    size: int
    facts: Facts
    checked: tuple[Checked, ...]

    def __str__(self) -> str:
        lines = [
            f"| image | {' | '.join(self.facts.outputs)} |",
            f"|---|{'---:|' * len(self.facts.outputs)}",
        ]
        for row in self.checked:
            cells = " | ".join(f"{difference:.1e}" for difference in row.differences)
            lines.append(f"| {'x'.join(map(str, row.shape))} | {cells} |")
        return "\n".join(lines)


def export(
    net: nn.Module,
    path: str | Path,
    to: Literal["onnx", "torchscript", "pt2"],
    *,
    fused: bool = True,
    opset: int | None = None,
    replace: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Exported:
    """Export a backbone to a file that takes any batch and image size.

    The file is read again and run with several batch and image sizes, odd ones included; if an
    output differs from the network's, that is an error and no file is written. MMCV's deformable
    convolutions are written as torchvision's operator: to load them from TorchScript or pt2, import
    torchvision first.

    Args:
        net: a ``FlexResNet``, or what :func:`fuse` returned; stays as it is. Is written in eval
            mode, from the CPU, and for the CPU.
        path: the file to write: ``.onnx``, ``.pt``, ``.ts`` or ``.torchscript``, ``.pt2``.
        to: the format. ONNX needs ``resblock_backbones[export]``.
        fused: whether norms are folded into the convolutions, as :func:`fuse` does.
        opset: of ONNX, 11 or higher; None is the exporter's own choice. What an older
            one cannot express is refused.
        replace: whether an existing file may be replaced.
        progress: called with a description before each step.

    Returns:
        What was written, and the differences from the network.

    Raises:
        TypeError: ``net`` is something else.
        ValueError: an unknown format, a name that does not end as the format's, a file that
            already exists.
        ExportError: the network cannot be written in this format, or the outputs differ.

    Example:
        >>> import tempfile
        >>> from resblock_backbones import FlexResNet
        >>> net = FlexResNet(18, width=0.125, out_indices=(1, 3))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     done = export(net, f"{folder}/r18.pt2", to="pt2")
        ...     program = torch.export.load(f"{folder}/r18.pt2").module()
        >>> done.facts.outputs, [tuple(map.shape) for map in program(torch.zeros(1, 3, 65, 50))]
        (('stage2', 'stage4'), [(1, 16, 9, 7), (1, 64, 3, 2)])
    """
    backbone = net.net if isinstance(net, FusedBackbone) else net
    if not isinstance(backbone, FlexResNet):
        inside = getattr(backbone, "backbone", None)
        hint = "" if inside is None else "; export_model() writes whole models"
        if isinstance(inside, FlexResNet | FusedBackbone):
            hint += ", and export(model.backbone) its backbone"
        raise TypeError(
            f"export: {type(backbone).__name__} is not a FlexResNet, nor a fused one{hint}"
        )
    target = Path(path).expanduser()
    check_target(target, to, replace)
    if opset is not None:
        if to != "onnx":
            raise ValueError(f"opset={opset}: only ONNX has one, not to='{to}'")
        check_int("opset", opset, minimum=LOWEST)
    expected = copy.deepcopy(net).eval().requires_grad_(False).cpu()
    folds = check_bool("fused", fused) and backbone is net
    ready = make_exportable(fuse(expected) if folds else copy.deepcopy(expected))
    facts = _facts(backbone)
    images = _images(expected, facts)
    with torch.no_grad(), quiet():
        progress(f"writing {to}")
        data = _write(ready, next(images), facts, to, opset)
        run = _read(data, to)
        checked = []
        for image in images:
            progress(f"comparing {'x'.join(map(str, image.shape))}")
            checked.append(_compare(run, expected, image, facts, to))
    write_whole(target, data)
    return Exported(target, len(data), facts, tuple(checked))


def check_target(target: Path, to: str, replace: bool) -> None:
    """Raises ValueError where a file of that format cannot be written there."""
    suffixes = FORMATS[check_choice("to", to, list(FORMATS))].suffixes
    if target.suffix not in suffixes:
        raise ValueError(f"{target}: the name of a file for {to} must end with {_or(suffixes)}")
    if target.is_dir():
        raise ValueError(f"{target}: is a folder")
    if target.exists() and not replace:
        raise ValueError(f"{target}: already exists; give another name, or let it be replaced")


def _facts(backbone: FlexResNet) -> Facts:
    return Facts(
        input="image",
        outputs=tuple(f"stage{index + 1}" for index in backbone.out_indices),
        channels=tuple(backbone.out_channels),
        strides=tuple(backbone.out_strides),
        in_channels=_in_channels(backbone),
        made_by=f"resblock_backbones {__version__}",
    )


def _in_channels(backbone: FlexResNet) -> int:
    return next(
        module.in_channels for module in backbone.modules() if isinstance(module, nn.Conv2d)
    )


def _images(net: nn.Module, facts: Facts) -> Iterator[Tensor]:
    """Inputs to trace and to compare with: one to trace, then others of different sizes."""
    dtype = next(net.parameters()).dtype
    if isinstance(net, FusedBackbone) and dtype != torch.float64:
        dtype = torch.float32  # it converts its input
    stride = max(32, *facts.strides)
    generator = torch.Generator().manual_seed(0)
    for batch, height, width in (
        (2, 2 * stride + 11, 3 * stride + 1),
        (1, stride + 1, stride + 1),
        (1, 4 * stride, 5 * stride),
        (3, 3 * stride + 1, 2 * stride + 9),
        (2, 4 * stride - 1, 4 * stride - 14),
    ):
        image = torch.randn(batch, facts.in_channels, height, width, generator=generator)
        yield image.to(dtype)


def _write(net: nn.Module, example: Tensor, facts: Facts, to: str, opset: int | None) -> bytes:
    try:
        return FORMATS[to].write(net, example, facts, opset)
    except ExportError:
        raise
    except Exception as error:  # exporters raise errors of any type
        raise ExportError(f"to='{to}': the network cannot be written: {one_line(error)}") from error


def _read(data: bytes, to: str) -> Run:
    try:
        return FORMATS[to].read(data)
    except Exception as error:
        raise ExportError(
            f"to='{to}': what was written cannot be read: {one_line(error)}"
        ) from error


def _compare(run: Run, net: nn.Module, image: Tensor, facts: Facts, to: str) -> Checked:
    shape = "x".join(map(str, image.shape))
    wanted = net(image)
    try:
        outputs = run(image)
    except Exception as error:
        raise ExportError(f"to='{to}': fails for an image of {shape}: {one_line(error)}") from error
    tolerance = TOLERANCES[next(net.parameters()).dtype]
    differences = []
    for name, ours, theirs in zip(facts.outputs, outputs, wanted, strict=True):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            raise ExportError(
                f"to='{to}': {name} of an image of {shape} is {tuple(ours.shape)}, {ours.dtype}, "
                f"the network's {tuple(theirs.shape)}, {theirs.dtype}; nothing was written"
            )
        size = theirs.abs().max().clamp(min=torch.finfo(theirs.dtype).tiny)
        difference = float((ours - theirs).abs().max() / size)
        if not difference <= tolerance:  # NaN is an error too
            raise ExportError(
                f"to='{to}': {name} of an image of {shape} differs from the network's by "
                f"{difference:.1e} of its largest value, more than {tolerance:.0e}; nothing was "
                "written"
            )
        differences.append(difference)
    return Checked(tuple(image.shape), tuple(differences))


def one_line(error: Exception, limit: int = 300) -> str:
    """What an exception says, short."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else f"{text[:limit]} ..."


def _or(names: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
