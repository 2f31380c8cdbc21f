"""Blocks of a network, as the shapes of their tensors show them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import CheckpointError

Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class BlockShapes:
    """Shapes of one block's tensors, by names without the block's prefix.

    Example:
        >>> block = BlockShapes({"conv1.weight": (64, 256, 1, 1), "conv2.weight": (64, 2, 3, 3),
        ...                      "conv3.weight": (256, 64, 1, 1)})
        >>> block.kind, block.channels, block.groups, block.kernel_size
        ('bottleneck', (64, 64, 256), 32, 3)
    """

    shapes: Shapes

    @property
    def kind(self) -> str:
        """``'basic'`` or ``'bottleneck'``."""
        return "bottleneck" if "conv3.weight" in self.shapes else "basic"

    @property
    def is_separable(self) -> bool:
        """Whether conv2 is an N x 1 and a 1 x N convolution."""
        return "conv2.0.weight" in self.shapes

    @property
    def conv2(self) -> Sequence[int]:
        """The shape of the second convolution's weight, the first half of a separable one."""
        return self.shapes["conv2.0.weight" if self.is_separable else "conv2.weight"]

    @property
    def channels(self) -> tuple[int, ...]:
        """Output channels of each convolution."""
        inner = (self.shapes["conv1.weight"][0], self.conv2[0])
        return inner if self.kind == "basic" else (*inner, self.shapes["conv3.weight"][0])

    @property
    def groups(self) -> int:
        """Groups of conv2."""
        return self.shapes["conv1.weight"][0] // self.conv2[1]

    @property
    def is_depthwise(self) -> bool:
        """Whether conv2 has one group per channel."""
        return self.conv2[1] == 1 and self.shapes["conv1.weight"][0] > 1

    @property
    def kernel_size(self) -> int:
        """Side of the N x N kernels."""
        return self.conv2[2]

    @property
    def projection(self) -> int | None:
        """Index of the convolution among the shortcut's layers."""
        for number in (0, 1):
            if len(self.shapes.get(f"residual.{number}.weight", ())) == 4:
                return number
        return None


def read_blocks(shapes: Shapes, name: str) -> list[list[BlockShapes]]:
    """The blocks of each stage.

    Args:
        shapes: of a backbone's tensors, by ``FlexResNet``'s names.
        name: of the checkpoint, for messages.

    Raises:
        CheckpointError: a stage, a block or a convolution is missing.
    """
    found: dict[int, dict[int, dict[str, Sequence[int]]]] = {}
    for key, shape in shapes.items():
        if match := re.fullmatch(r"layer(\d+)\.(\d+)\.(.+)", key):
            stage, block, rest = int(match[1]), int(match[2]), match[3]
            found.setdefault(stage, {}).setdefault(block, {})[rest] = shape
    stages = []
    for stage in range(1, max(found, default=0) + 1):
        blocks = found.get(stage, {})
        for block in range(max(blocks, default=0) + 1):
            parts = blocks.get(block, {})
            second = "conv2.0.weight" if "conv2.0.weight" in parts else "conv2.weight"
            for part in ("conv1.weight", second):
                if len(parts.get(part, ())) != 4:
                    raise CheckpointError(
                        f"{name}: is not a ResNet that FlexResNet can be: "
                        f"layer{stage}.{block}.{part} is "
                        f"{'missing' if part not in parts else 'not a convolution'}"
                    )
        stages.append([BlockShapes(blocks[block]) for block in sorted(blocks)])
    return stages
