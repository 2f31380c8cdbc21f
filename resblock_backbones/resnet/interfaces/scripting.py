"""A network as ``torch.jit.script`` can compile it."""

from __future__ import annotations

from typing import Any

from torch import fx, nn
from torchvision.ops import FrozenBatchNorm2d, StochasticDepth


class Layers(fx.Tracer):
    """Symbolic tracing that keeps the layers whose result depends on their mode or buffers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        kept = isinstance(m, FrozenBatchNorm2d | StochasticDepth)
        return kept or super().is_leaf_module(m, module_qualified_name)


def scriptable(net: nn.Module) -> nn.Module:
    """The layers of ``net`` in one plain forward, with its parameters.

    A ``FlexResNet`` decides at each call how it computes, which TorchScript cannot express; the
    symbolic trace has the layers alone, one after the other.

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
    graph = tracer.trace(net)
    for node in graph.nodes:
        node.type = None  # the annotations are strings, which TorchScript would look up
    root: Any = tracer.root
    return fx.GraphModule(root, graph, type(net).__name__)
