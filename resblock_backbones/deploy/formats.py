"""The formats of exports: how each is written and read."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .errors import ExportError
from .opsets import EXPORTERS_LOWEST, at_opset

#: A function of the input that returns the feature maps.
Run = Callable[[Tensor], Sequence[Tensor]]

#: The file inside a ``.pt`` or ``.pt2`` that holds :class:`Facts`.
FACTS_FILE = "resblock_backbones.json"
AXES = ("batch", "height", "width")


@dataclass(frozen=True)
class Facts:
    """Facts about the network that are stored in its file.

    Attributes:
        input: the name of the input, ``(N, in_channels, H, W)``.
        outputs: the names of the outputs.
        channels, strides: of each output.
        in_channels: of the input.
        made_by: this package and its version.
    """

    input: str
    outputs: tuple[str, ...]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    in_channels: int
    made_by: str

    def as_json(self) -> str:
        """All of it in one line."""
        return json.dumps(asdict(self))


class Format(NamedTuple):
    """One kind of file."""

    suffixes: tuple[str, ...]
    write: Callable[[nn.Module, Tensor, Facts, int | None], bytes]
    read: Callable[[bytes], Run]


def write_torchscript(net: nn.Module, example: Tensor, facts: Facts, opset: int | None) -> bytes:
    """The network as a trace, for ``torch.jit.load`` in Python and C++."""
    traced = torch.jit.trace(net, example, check_trace=False)
    stream = io.BytesIO()
    torch.jit.save(traced, stream, _extra_files={FACTS_FILE: facts.as_json()})
    return stream.getvalue()


def read_torchscript(data: bytes) -> Run:
    """The function that a TorchScript file holds."""
    return torch.jit.load(io.BytesIO(data))


def write_pt2(net: nn.Module, example: Tensor, facts: Facts, opset: int | None) -> bytes:
    """The network as a program, for ``torch.export.load``."""
    stream = io.BytesIO()
    torch.export.save(program_of(net, example), stream, extra_files={FACTS_FILE: facts.as_json()})
    return stream.getvalue()


def read_pt2(data: bytes) -> Run:
    """The function that a file of ``torch.export`` holds."""
    return torch.export.load(io.BytesIO(data)).module()


def require_onnx() -> None:
    """Raises ExportError where a package is missing that ONNX files are written with."""
    missing = [
        name
        for name in ("onnx", "onnxscript", "onnxruntime")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise ExportError(
            f"to='onnx': {', '.join(missing)}: not installed; "
            "pip install 'resblock_backbones[export]'"
        )


def write_onnx(net: nn.Module, example: Tensor, facts: Facts, opset: int | None) -> bytes:
    """The network in ONNX, for ONNX Runtime, TensorRT, OpenVINO and others."""
    require_onnx()
    metadata = {name: _plain(value) for name, value in asdict(facts).items()}
    return onnx_bytes(program_of(net, example), facts.input, facts.outputs, metadata, opset)


def onnx_bytes(
    program: Any, name: str, outputs: Sequence[str], metadata: Mapping[str, str], opset: int | None
) -> bytes:
    """An exported program in ONNX.

    Args:
        program: what :func:`program_of` returned.
        name: of the input.
        outputs: their names.
        metadata: of the file.
        opset: None is the exporter's own choice.

    Raises:
        ExportError: it has an operator that ONNX has not; names it and the part that it is in.
    """
    try:
        written: Any = torch.onnx.export(
            program,
            dynamo=True,
            input_names=[name],
            output_names=list(outputs),
            opset_version=opset and max(opset, EXPORTERS_LOWEST),
            verbose=False,
        )
    except Exception as error:  # of the exporter's own kinds
        unknown = _without_onnx(error, program)
        if unknown is None:
            raise
        raise ExportError(f"to='onnx': {unknown}") from error
    _name_axes(written.model)
    written.model.metadata_props.update(metadata)
    model = written.model_proto
    # Names of sizes between the nodes: some are of two sizes that differ, which runtimes believe.
    del model.graph.value_info[:]
    if opset is not None and opset < EXPORTERS_LOWEST:
        model = at_opset(model, opset)
    return model.SerializeToString()


def _without_onnx(error: BaseException | None, program: Any) -> str | None:
    """Which operator ONNX has not, and in which part it is, where an exporter failed at that."""
    while error is not None:
        found = re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", str(error))
        if found is not None:
            nodes = [one for one in program.graph.nodes if found[1] in str(one.target)]
            stacks = (list((one.meta.get("nn_module_stack") or {}).values()) for one in nodes)
            parts = sorted({_part(*stack[-1]) for stack in stacks if stack})
            where = f", which {', '.join(parts)} needs" if parts else ""
            return f"ONNX has no operator for {found[1]}{where}"
        error = error.__cause__ or error.__context__
    return None


def _part(path: str, kind: Any) -> str:
    name = str(getattr(kind, "__name__", kind)).rpartition(".")[2]
    return f"{name} ({path})" if path else name


def read_onnx(data: bytes) -> Run:
    """The function that an ONNX file holds, run by ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised as well
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()

    def run(x: Tensor) -> list[Tensor]:
        return [torch.from_numpy(out) for out in session.run(None, {image.name: x.numpy()})]

    return run


#: In the order in which messages list them.
FORMATS = {
    "onnx": Format((".onnx",), write_onnx, read_onnx),
    "torchscript": Format((".pt", ".ts", ".torchscript"), write_torchscript, read_torchscript),
    "pt2": Format((".pt2",), write_pt2, read_pt2),
}


def program_of(net: nn.Module, example: Tensor, free: Sequence[int] = (0, 2, 3)) -> Any:
    """The network as ``torch.export`` reads it.

    Args:
        net: the network.
        example: an image ``(N, C, H, W)``.
        free: the axes whose length the program leaves open.
    """
    if not hasattr(torch.export, "Dim") or not hasattr(torch.export.Dim, "AUTO"):
        raise ExportError(
            f"to='onnx' and to='pt2' need PyTorch 2.6 or newer, this is {torch.__version__}; "
            "to='torchscript' works"
        )
    # The sizes of the deeper maps follow from these two, in ways that no named limit expresses.
    any_size = dict.fromkeys(free, torch.export.Dim.AUTO)
    return torch.export.export(net, (example,), dynamic_shapes=(any_size,))


def _name_axes(model: Any) -> None:
    """Call the axes of an ONNX model ``batch``, ``height`` and ``width`` wherever they stand."""
    (image,) = model.graph.inputs
    found = (str(image.shape[axis].value) for axis in (0, 2, 3) if image.shape.is_dynamic(axis))
    names = dict(zip(found, AXES, strict=False))

    def renamed(value: Any) -> None:
        for axis in range(len(value.shape or ())):
            if value.shape.is_dynamic(axis):
                text = str(value.shape[axis].value)
                value.shape[axis] = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), text)

    for node in model.graph:
        for value in node.outputs:
            renamed(value)
    renamed(image)


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress the warnings of tracers: they concern what is checked afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
