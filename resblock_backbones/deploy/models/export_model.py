"""A whole model as a file, checked against the model before it is there."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...files.model_card import CARD, CONFIG, Card
from ...files.whole import write_whole
from ...options.checks import check_choice, check_int
from ..errors import ExportError
from ..export import check_target, one_line
from ..formats import onnx_bytes, program_of, quiet, read_onnx, require_onnx
from ..opsets import LOWEST
from .compare import (
    HALF,
    SINGLE,
    Compared,
    Tolerance,
    compare,
    example_images,
    fault,
    images_to_trace,
    table,
    unpack,
)
from .kinds import WholeModel, whole


@dataclass(frozen=True)
class ExportedModel:
    """What :func:`export_model` has done; as a string, the comparison.

    Attributes:
        path: the file.
        size: of the file, in bytes.
        card: what the file stores about the model.
        compared: one entry for each batch.
    """

    path: Path
    size: int
    card: Card
    compared: tuple[Compared, ...]

    def __str__(self) -> str:
        return table(self.compared)


def export_model(
    model: nn.Module | WholeModel,
    path: str | Path,
    to: Literal["onnx", "pt2"] = "onnx",
    *,
    raw_masks: bool = False,
    logits: bool = False,
    fp16: bool = False,
    input_type: Literal["float32", "uint8"] = "float32",
    static: tuple[int, int] | None = None,
    opset: int | None = None,
    images: Sequence[Tensor] = (),
    config: str = "",
    replace: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> ExportedModel:
    """Write a whole detector or segmentor, if its predictions agree with the model's.

    The file takes ``images``, ``(N, 3, H, W)``, RGB, 0 to 255, of any number and size: channel
    order, normalisation and padding are part of the file, resizing is not. A detector gives
    ``boxes`` ``(N, K, 4)`` in pixels, ``scores`` and ``labels`` ``(N, K)``, ``num_detections``
    ``(N,)``, and ``masks`` if it has any; a segmentor gives ``label_map`` ``(N, H, W)``. ONNX
    files have standard operators only.

    Args:
        model: of MMDetection, MMSegmentation or torchvision, with the weights; stays as it is.
        path: the file to write: ``.onnx`` or ``.pt2``.
        to: the format.
        raw_masks: masks as the network outputs them, ``(N, K, 28, 28)`` of probabilities; the
            caller pastes them into the boxes.
        logits: of a segmentor: ``logits`` ``(N, C, H, W)`` in place of ``label_map``.
        fp16: weights, and what is computed with them, in half precision; the selection of boxes
            stays in float32, inputs and outputs keep their types. May differ more from the model.
        input_type: of the images.
        static: height and width, where a device wants fixed sizes; it is then one image.
        opset: of ONNX; None is the exporter's own choice.
        images: batches ``(N, 3, H, W)``, uint8, RGB, to compare with beside the generated ones.
        config: text to keep in the file.
        replace: whether an existing file may be replaced.
        progress: called with a few words before each step.

    Raises:
        ValueError: a wrong option, or a file that already exists.
        ExportError: a part of the model cannot be written, or the file differs from the model.
    """
    target = Path(path).expanduser()
    check_choice("to", to, ["onnx", "pt2"])
    check_target(target, to, replace)
    check_choice("input_type", input_type, ["float32", "uint8"])
    if opset is not None:
        check_int("opset", opset, minimum=LOWEST)
    if to == "onnx":
        require_onnx()
    if isinstance(model, WholeModel):
        if raw_masks or logits or fp16:
            raise ValueError("raw_masks, logits, fp16: a WholeModel has them, or has not")
        ready = model
    else:
        ready = whole(model, raw_masks=raw_masks, logits=logits, fp16=fp16)
    batches = _batches(ready.card, static, images)
    dtype = getattr(torch, input_type)
    with torch.no_grad(), quiet(), _silent_exporter():
        progress("reading the graph off the model")
        example = batches[0] if static is not None else images_to_trace(ready.card.divisor)
        program = _program(ready.graph, example.to(dtype), static is None)
        progress(f"writing {to}")
        data = _written(program, ready.card, to, opset, config)
        run = _runner(data, to)
        rows = []
        for batch in batches if static is not None else batches[1:]:
            progress(f"comparing {'x'.join(map(str, batch.shape))}")
            rows.append(_compared(run, ready, batch, dtype))
    wrong = fault(rows, _tolerance(ready.card))
    if wrong is not None:
        raise ExportError(f"to='{to}': differs from the model: {wrong}; nothing was written")
    write_whole(target, data)
    return ExportedModel(target, len(data), ready.card, tuple(rows))


def _batches(card: Card, static: tuple[int, int] | None, images: Sequence[Tensor]) -> list[Tensor]:
    generated = example_images(card.divisor, static)
    if static is None:
        return [*generated, *images]
    return [*generated, *(one for one in images if tuple(one.shape) == (1, 3, *static))]


def _program(graph: nn.Module, example: Tensor, free: bool) -> Any:
    try:
        return program_of(graph, example, (0, 2, 3) if free else ())
    except ExportError:
        raise
    except Exception as error:  # exporters raise what they please
        raise ExportError(f"the model cannot be written: {one_line(error)}") from error


def _written(program: Any, card: Card, to: str, opset: int | None, config: str) -> bytes:
    if to == "pt2":
        stream = io.BytesIO()
        torch.export.save(program, stream, extra_files={CARD: card.as_json(), CONFIG: config})
        return stream.getvalue()
    metadata = {CARD: card.as_json(), CONFIG: config, "classes": ",".join(card.classes)}
    try:
        return onnx_bytes(program, "images", card.outputs, metadata, opset)
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(f"to='onnx': the model cannot be written: {one_line(error)}") from error


def _runner(data: bytes, to: str) -> Callable[[Tensor], Any]:
    try:
        return read_onnx(data) if to == "onnx" else torch.export.load(io.BytesIO(data)).module()
    except Exception as error:
        raise ExportError(
            f"to='{to}': what was written cannot be read: {one_line(error)}"
        ) from error


def _compared(
    run: Callable[[Tensor], Any], ready: WholeModel, batch: Tensor, dtype: torch.dtype
) -> Compared:
    shape = "x".join(map(str, batch.shape))
    try:
        outputs = run(batch.to(dtype))
    except Exception as error:
        raise ExportError(f"fails for images of {shape}: {one_line(error)}") from error
    outputs = [outputs] if isinstance(outputs, Tensor) else outputs
    theirs = ready.reference(batch)
    ours = unpack(outputs, ready.card.outputs)
    if ready.card.masks == "raw":
        theirs = [{name: one[name] for name in one if name != "masks"} for one in theirs]
    return compare(batch.shape, ours, theirs, _tolerance(ready.card))


def _tolerance(card: Card) -> Tolerance:
    return HALF if card.precision == "float16" else SINGLE


class _silent_exporter:  # noqa: N801 - used as a function
    """Without what the exporter logs: what goes wrong is raised too."""

    def __enter__(self) -> None:
        self.loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
        self.levels = [one.level for one in self.loggers]
        for one in self.loggers:
            one.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for one, level in zip(self.loggers, self.levels, strict=True):
            one.setLevel(level)
