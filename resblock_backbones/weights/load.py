"""Loading weights with a report, or not at all."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .errors import CheckpointError
from .keys import rename_key
from .read import read_checkpoint

logger = logging.getLogger(__name__)

# What training tools wrap a network's own tensors in, outermost first.
CONTAINERS = ("state_dict", "model", "state_dict_ema")
PREFIXES = ("module.", "_orig_mod.", "backbone.")
# Layers that ImageNet checkpoints do not have: they begin with their own first values.
ADDED_LAYERS = re.compile(r"^layer\d+\.\d+\.(?:conv2\.conv_offset\.|(?!conv|bn|residual\.))")


@dataclass(frozen=True)
class LoadReport:
    """What became of each tensor.

    Attributes:
        matched: names of the network's tensors that were loaded.
        missing: names of the network's tensors that the checkpoint lacks.
        unexpected: names in the checkpoint that the network lacks.
        reshaped: names in both, of different shapes.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]

    def __str__(self) -> str:
        total = len(self.matched) + len(self.missing) + len(self.reshaped)
        text = f"{len(self.matched)} of {total} tensors matched"
        for label in ("missing", "reshaped", "unexpected"):
            names = getattr(self, label)
            if names:
                more = ", ..." if len(names) > 3 else ""
                text += f"; {len(names)} {label} ({', '.join(names[:3])}{more})"
        return text


def load_weights(
    model: nn.Module,
    source: str | Path | Mapping[str, Any],
    *,
    prefix: str | None = None,
    allow_partial: bool = False,
) -> LoadReport:
    """Load a checkpoint into a backbone; on an error the backbone stays as it was.

    Args:
        model: a ``FlexResNet``.
        source: a file, a URL, ``torchvision://...``, or a state dict. Whole detectors will do.
        prefix: of the backbone's names in the checkpoint; None looks for the usual ones.
        allow_partial: load what matches, and leave the rest of the backbone as it is.

    Returns:
        What matched. Only layers that no classifier has (plugins, attention, deformable
        convolutions' offsets) may be missing without ``allow_partial``.

    Raises:
        CheckpointError: unreadable, or less than the whole backbone matched.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> print(load_weights(FlexResNet(18), FlexResNet(18).state_dict()))
        120 of 120 tensors matched
    """
    name = "the state dict" if isinstance(source, Mapping) else str(source)
    found = _backbone_tensors(
        source if isinstance(source, Mapping) else read_checkpoint(source), prefix
    )
    own = model.state_dict()
    # Counters of batches are younger than many checkpoints, and nothing in a backbone reads them.
    wanted = {key for key in own if key in found or not key.endswith("num_batches_tracked")}
    matched = {key for key in wanted & found.keys() if own[key].shape == found[key].shape}
    report = LoadReport(
        matched=tuple(sorted(matched)),
        missing=tuple(sorted(wanted - found.keys())),
        unexpected=tuple(sorted(found.keys() - own.keys())),
        reshaped=tuple(sorted((wanted & found.keys()) - matched)),
    )
    needed = [key for key in report.missing if not ADDED_LAYERS.match(key)]
    if not matched or ((needed or report.reshaped) and not allow_partial):
        hint = "" if not matched else ", or pass allow_partial=True"
        raise CheckpointError(
            f"{name}: does not match this backbone: {report}; check depth, width, stem and block "
            f"options{hint}"
        )
    with torch.no_grad():
        model.load_state_dict({key: found[key] for key in matched}, strict=False)
    model.is_init = True  # type: ignore[assignment]  # MMEngine: leave the values alone
    logger.info("%s: %s", name, report)
    return report


def _backbone_tensors(checkpoint: Mapping[str, Any], prefix: str | None) -> dict[str, Tensor]:
    for container in CONTAINERS:
        if isinstance(checkpoint.get(container), Mapping):
            checkpoint = checkpoint[container]
            break
    tensors = {str(key): value for key, value in checkpoint.items() if isinstance(value, Tensor)}
    for known in (prefix,) if prefix else PREFIXES:
        dotted = known.rstrip(".") + "."
        if any(key.startswith(dotted) for key in tensors):
            tensors = {
                key.removeprefix(dotted): value
                for key, value in tensors.items()
                if key.startswith(dotted)
            }
    return {rename_key(key): value for key, value in tensors.items()}
