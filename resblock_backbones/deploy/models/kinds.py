"""Which models can be written whole, and how."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from ...files.model_card import Card
from ..errors import ExportError
from .compare import Found


@dataclass(frozen=True)
class WholeModel:
    """A model as one graph.

    Attributes:
        graph: of ``(N, 3, H, W)``, RGB, 0 to 255, to the card's outputs.
        reference: the model itself, in its own precision, asked about images ``(N, 3, H, W)``,
            uint8; what it finds in each, with masks of the image's size.
        card: what the file stores about the model.
    """

    graph: nn.Module
    reference: Callable[[Tensor], list[Found]]
    card: Card

    def told(self, **more: Any) -> WholeModel:
        """The same, with more on its card."""
        return replace(self, card=replace(self.card, **more))


#: Of each kind of model: a WholeModel of it, or None where it is of another kind.
KINDS: list[Callable[..., WholeModel | None]] = []


def whole(
    model: nn.Module, *, raw_masks: bool = False, logits: bool = False, fp16: bool = False
) -> WholeModel:
    """A model as one graph, from the image to what is in it.

    Args:
        model: stays as it is.
        raw_masks, logits, fp16: as of ``export_model``.

    Raises:
        ExportError: no kind of model that is known, or a part of it is not.
    """
    for kind in KINDS:
        found = kind(model, raw_masks=raw_masks, logits=logits, fp16=fp16)
        if found is not None:
            return found
    backbone = getattr(model, "backbone", None)
    hint = f"; its backbone alone can be: export({type(backbone).__name__})" if backbone else ""
    raise ExportError(
        f"{type(model).__name__}: is no detector or segmentor of MMDetection, MMSegmentation or "
        f"torchvision that can be written whole{hint}"
    )


def copied(model: nn.Module) -> Any:
    """A copy of a model for inference, on the CPU.

    Raises:
        ExportError: it keeps a tensor that was computed from its weights, which cannot be copied.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> model.double_weight = 2 * model.weight
        >>> copied(model)
        Traceback (most recent call last):
            ...
        resblock_backbones.deploy.errors.ExportError: Linear: keeps double_weight, a tensor that \
was computed from its weights, and so cannot be copied
    """
    for name, module in model.named_modules():
        for key, value in [*vars(module).items(), *module.named_buffers(recurse=False)]:
            if isinstance(value, Tensor) and value.grad_fn is not None:
                where = f"{name}.{key}" if name else key
                raise ExportError(
                    f"{type(model).__name__}: keeps {where}, a tensor that was computed from its "
                    "weights, and so cannot be copied"
                )
    return copy.deepcopy(model).cpu().eval().requires_grad_(False)
