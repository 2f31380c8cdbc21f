"""Files for runtimes that know older versions of ONNX's operators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .errors import ExportError

#: PyTorch's exporter writes none below.
EXPORTERS_LOWEST = 18
LOWEST = 11


def at_opset(model: Any, opset: int) -> Any:
    """A model, ``onnx.ModelProto``, with the operators of an older version of ONNX; changed itself.

    What a newer version only added (types, attributes that say what was so before) is taken off,
    axes become the attribute that they were. Whether the model computes the same is for the caller
    to check: this one sees to it that each node is one of that version.

    Raises:
        ExportError: an operator is younger, or is used in a way that is; names the node.
    """
    import onnx

    constants = {one.name: one for one in model.graph.initializer}
    for node in _nodes(model.graph):
        try:
            older = onnx.defs.get_schema(node.op_type, opset, node.domain)
        except onnx.defs.SchemaError as error:
            raise ExportError(
                f"opset={opset}: {node.op_type}, which {node.name} is, came later than that"
            ) from error
        newest = onnx.defs.get_schema(node.op_type, model.opset_import[0].version, node.domain)
        if older.since_version != newest.since_version:
            _step_back(node, older, newest, constants)
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", opset))
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split()).replace("==> Context: ", "")
        raise ExportError(f"opset={opset}: ONNX cannot express the model: {reason}") from error
    return model


def _nodes(graph: Any) -> Iterator[Any]:
    """All nodes, those inside the branches of others too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _step_back(node: Any, older: Any, newest: Any, constants: dict[str, Any]) -> None:
    import onnx

    if "axes" in older.attributes and len(older.inputs) == 1 and len(node.input) == 2:
        axes = constants.get(node.input[1])
        if axes is not None:
            del node.input[1:]
            values = onnx.numpy_helper.to_array(axes).tolist()
            node.attribute.append(onnx.helper.make_attribute("axes", values))
    for attribute in list(node.attribute):
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.name not in older.attributes:
            default = newest.attributes[attribute.name].default_value
            said = onnx.helper.get_attribute_value(default) if default.name else None
            if value == said or (node.op_type, attribute.name) == ("Split", "num_outputs"):
                node.attribute.remove(attribute)
        elif node.op_type == "GridSample" and value in (b"linear", b"cubic"):
            attribute.s = b"bi" + value
