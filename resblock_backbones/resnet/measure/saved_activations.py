"""What a training step keeps for its backward pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def saved_bytes(net: nn.Module, x: Tensor) -> int:
    """Bytes that autograd saves in a forward pass for the backward pass, each storage once.

    Parameters and buffers, which are there anyway, do not count.

    Args:
        net: is run once as it is; its modes decide what is saved.
        x: its input.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU())
        >>> saved_bytes(net, torch.zeros(1, 3, 5, 5)) == 4 * (3 + 8) * 5 * 5
        True
    """
    own = {one.untyped_storage().data_ptr() for one in (*net.parameters(), *net.buffers())}
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # an output that was kept would keep the graph alive

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = net(x)
    del outputs
    return sum(storages.values())
