"""What the tests of weights share: networks of other libraries with random weights, fast.

The largest networks here have half a billion weights. Fresh memory for them, twice and in float64,
would take most of the time, so all convolutions read their weights from one list of random numbers,
each from another place in it, and the running variances bring the sums back to size.
"""

from collections.abc import Callable

import pytest
import torch
from torch import nn

LARGEST_WEIGHT = 8192 * 256 * 3 * 3  # resnext101_32x32d's
PLACES = 1_000_003  # a prime: no two rows of a weight begin at the same number


@pytest.fixture(scope="session")
def numbers() -> torch.Tensor:
    """Uniform in [-1, 1], float64."""
    block = torch.rand(PLACES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return block.mul_(2).sub_(1).repeat(LARGEST_WEIGHT // PLACES + 2)


@pytest.fixture(scope="session")
def random_network(numbers) -> Callable[[Callable[[], nn.Module]], nn.Module]:
    """Build a network without first values, then give it random weights and statistics."""
    taken = 0

    def some(shape: torch.Size, low: float = -1, high: float = 1) -> torch.Tensor:
        nonlocal taken
        taken = (taken + 7919) % PLACES
        values = numbers[taken : taken + shape.numel()].view(shape)
        return values if (low, high) == (-1, 1) else values * ((high - low) / 2) + (high + low) / 2

    def give(module: nn.Module, **values: torch.Tensor) -> None:
        for name, value in values.items():
            if getattr(module, name, None) is not None:
                kept = nn.Parameter(value, False) if name in module._parameters else value
                setattr(module, name, kept)

    def build(network: Callable[[], nn.Module], device: str = "meta") -> nn.Module:
        with torch.device(device):
            net = network()
        size = 1.0
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv2d | nn.Conv1d | nn.Linear):
                weight = module.weight.shape
                size = weight[1:].numel() / 3
                small = (3 / weight[1:].numel()) ** 0.5
                # Nothing behind these brings sums back to size.
                by_norm = isinstance(module, nn.Conv2d) and module.bias is None
                give(module, weight=some(weight) if by_norm else some(weight, -small, small))
                if module.bias is not None:
                    give(module, bias=some(module.bias.shape, -0.3, 0.3))
            elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                shape = module.weight.shape
                last = name.endswith(("bn3", "bn2"))
                give(
                    module,
                    weight=some(shape, 0.1 if last else 0.5, 0.5 if last else 1.5),
                    bias=some(shape, -0.3, 0.3),
                    running_mean=some(shape, -0.3, 0.3) * size**0.5,
                    running_var=some(shape, 0.5, 2) * size,
                    num_batches_tracked=torch.tensor(7),
                )
            elif hasattr(module, "init_non_persistent_buffers"):  # timm's blur
                module.to_empty(device="cpu", recurse=False)
                module.init_non_persistent_buffers()
                module.double()
        assert not any(tensor.is_meta for tensor in (*net.parameters(), *net.buffers()))
        net.eval()  # whose return value is None in MMDetection
        return net

    return build


@pytest.fixture(scope="session")
def image() -> torch.Tensor:
    """``(1, 3, 64, 96)``, float64."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, 64, 96, dtype=torch.float64, generator=generator)
