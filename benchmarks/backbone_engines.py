"""Engines that run the ONNX file of this package's export: ONNX Runtime and OpenVINO."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from resblock_backbones import FlexResNet
from resblock_backbones.deploy.export import export

#: The rows that FlexResNet's are compared with.
ENGINES = ("torchvision, compiled, frozen", "ONNX Runtime", "OpenVINO")


class Engine(nn.Module):
    """A loaded file, called as the network is.

    Args:
        run: takes an array ``(N, 3, H, W)``, and gives the arrays of the stages.
    """

    def __init__(self, run: Any) -> None:
        super().__init__()
        self.run = run

    def forward(self, x: Tensor) -> list[Tensor]:
        return [torch.from_numpy(output) for output in self.run(x.numpy())]


def onnxruntime_engine(net: FlexResNet) -> Engine:
    """ONNX Runtime with all its optimisations, on as many threads as PyTorch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(_file(net), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return Engine(lambda image: session.run(None, {name: image}))


def openvino_engine(net: FlexResNet) -> Engine:
    """OpenVINO, in float32, on as many threads as PyTorch."""
    import openvino

    options = {
        "INFERENCE_PRECISION_HINT": "f32",  # otherwise bfloat16 where the processor has it
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    core = openvino.Core()
    request = core.compile_model(core.read_model(_file(net)), "CPU", options).create_infer_request()
    count = len(net.out_channels)

    def run(image: Any) -> list[Any]:
        request.infer([image], share_inputs=True, share_outputs=True)
        return [request.get_output_tensor(index).data for index in range(count)]

    return Engine(run)


def _file(net: FlexResNet) -> bytes:
    """The ONNX file of ``net``, which takes any image size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.onnx"
        export(net, path, to="onnx")
        return path.read_bytes()
