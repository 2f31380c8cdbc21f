"""The engines that run the files of `resblock export`, each called in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

#: As the tables call them.
ENGINES = ("ONNX Runtime", "OpenVINO")


def onnx_runtime(file: Path, threads: int | None = None) -> Any:
    """A session of ONNX Runtime, on the processor."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if threads is not None:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


class OpenVino:
    """A model in OpenVINO, in float32, called as a session of ONNX Runtime.

    Args:
        file: the `.onnx` file.
        threads: None leaves it to OpenVINO.
    """

    def __init__(self, file: Path, threads: int | None = None) -> None:
        import openvino

        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        self.model = openvino.Core().compile_model(str(file), "CPU", settings)
        self._told = onnx_runtime(file)

    def get_modelmeta(self) -> Any:
        return self._told.get_modelmeta()

    def get_inputs(self) -> Any:
        return self._told.get_inputs()

    def run(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        outputs = self.model(dict(inputs))
        return [np.array(outputs[name]) for name in names]


def opened(engine: str, file: Path, threads: int | None = None) -> Any:
    """A file in the engine of that name."""
    return (onnx_runtime if engine == "ONNX Runtime" else OpenVino)(file, threads)
