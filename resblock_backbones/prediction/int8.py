"""A whole model in int8: smaller, and faster where the processor has units for it."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..files.whole import write_whole
from ..options.errors import InputError
from .onnx_model import OnnxModel, resized

#: What is computed in int8; what chooses boxes stays as it is.
LAYERS = ("Conv", "Gemm")


def write_int8(
    source: str | Path,
    target: str | Path,
    images: Sequence[Path],
    *,
    progress: Callable[[str], None] = lambda step: None,
) -> int:
    """Write an exported model with its convolutions and linear layers in int8.

    ONNX Runtime's static quantisation in the form of QuantizeLinear and DequantizeLinear, weights
    per channel, activations over the range that they have in ``images``.

    Args:
        source: the `.onnx` file of `resblock export`.
        target: the file to write; one that is there is replaced.
        images: files of images as the model will see them, some twenty or more.
        progress: called with a few words before each step.

    Returns:
        The size of the file, in bytes.

    Raises:
        InputError: no images, a file that is no whole model, or a package is missing.
    """
    if importlib.util.find_spec("onnx") is None:
        raise InputError("int8: onnx is not installed; pip install 'resblock_backbones[export]'")
    if not images:
        raise InputError("int8: there are no images to calibrate with")
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    model = OnnxModel(source)
    progress(f"calibrating with {len(images)} images")
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "int8.onnx"
        quantize_static(
            str(source),
            str(written),
            _Reader(_inputs(model, images)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            op_types_to_quantize=list(LAYERS),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        data = written.read_bytes()
    write_whole(Path(target), data)
    return len(data)


class _Reader:
    """What ONNX Runtime asks for the next input; None ends it."""

    def __init__(self, inputs: Iterator[dict[str, np.ndarray]]) -> None:
        self.inputs = inputs

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.inputs, None)

    def __iter__(self) -> Any:
        return self.inputs


def _inputs(model: OnnxModel, images: Sequence[Path]) -> Iterator[dict[str, np.ndarray]]:
    for file in images:
        pixels = resized(model.read(file)[..., ::-1], model.card)
        yield {model.input_name: model.as_input(pixels[None])}
