"""Networks and their parts as ``torch.jit.script`` can compile them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

import torch
from torch import fx, nn
from torchvision.ops import FrozenBatchNorm2d, StochasticDepth

Forward = TypeVar("Forward", bound=Callable[..., Any])


def traced(forward: Forward) -> Forward:
    """Give a forward annotations that TorchScript can read in its symbolic trace.

    fx copies them into the trace's code: as strings they name nothing there, and a tuple of any
    length, as a result, is not a type of TorchScript, which finds the type of results by itself.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> FlexResNet.forward.__annotations__
        {'x': <class 'torch.Tensor'>}
    """
    hints = get_type_hints(forward)
    forward.__annotations__ = {name: one for name, one in hints.items() if name != "return"}
    return forward


class Layers(fx.Tracer):
    """Symbolic tracing that keeps the layers whose result depends on their mode or buffers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        kept = isinstance(m, FrozenBatchNorm2d | StochasticDepth)
        return kept or super().is_leaf_module(m, module_qualified_name)


def scriptable(net: nn.Module, **fixed: bool) -> nn.Module:
    """The layers of ``net`` in one plain forward, with its parameters.

    A ``FlexResNet`` decides at each call how it computes, which TorchScript cannot express; the
    symbolic trace has the layers alone, one after the other.

    Args:
        net: a network, a stage or a block.
        fixed: arguments of its forward that the plain forward does not have, and their values.

    Raises:
        fx.proxy.TraceError: a layer of another library looks at its input's values or sizes.

    Example:
        >>> import torch
        >>> from resblock_backbones import FlexResNet
        >>> net = FlexResNet(18, width=0.25).eval()
        >>> x = torch.zeros(1, 3, 32, 32)
        >>> all(torch.equal(a, b) for a, b in zip(scriptable(net)(x), net(x)))
        True
    """
    tracer = Layers()
    graph = tracer.trace(net, concrete_args=fixed or None)
    if fixed:
        _drop_fixed(graph)
    root: Any = tracer.root
    return fx.GraphModule(root, graph, type(net).__name__)


def _drop_fixed(graph: fx.Graph) -> None:
    """Drop what fx keeps of fixed arguments: inputs, each with an assertion of its value."""
    for node in reversed(list(graph.nodes)):
        unused = not node.users and (node.op == "placeholder" or node.target is operator.eq)
        if unused or node.target is torch._assert:
            graph.erase_node(node)
