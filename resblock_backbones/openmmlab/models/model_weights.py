"""Loading all weights of a model, and comparing a checkpoint with a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from ...weights import CheckpointError, rename_key
from ...weights.errors import MissingCheckpointError
from ...weights.values import plain


def load_model_weights(model: nn.Module, file: str, *, prefix: str = "") -> Mapping[str, Any]:
    """Load all of a model's weights, or none.

    Args:
        model: as a config builds it.
        file: the checkpoint: a file, a URL, or a name that MMEngine knows.
        prefix: of the model's names in the checkpoint, such as `backbone.` for the backbone of a
            whole model; ignored if no name has it.

    Returns:
        The checkpoint's `meta`: the classes that it was trained for, and more.

    Raises:
        CheckpointError: it does not exist, is damaged, would run code, or is of another model.
    """
    if "://" not in file and not Path(file).is_file():
        raise MissingCheckpointError(f"{file}: there is no such checkpoint file")
    checkpoint = CheckpointLoader.load_checkpoint(file, map_location="cpu", logger="silent")
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else {}
    state = {re.sub(r"^module\.", "", str(name)): value for name, value in state.items()}
    if any(name.startswith(prefix) for name in state):
        state = {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix)
        }
    model = behind_wrappers(model)
    matched, parts = compare_weights(model, state, [], backbone="" if prefix else "backbone.")
    if not matched:
        raise CheckpointError(f"{file}: none of its weights fits the model of the config")
    if parts:
        raise CheckpointError(f"{file}: does not fit the model of the config: {'; '.join(parts)}")
    own = model.state_dict()
    for name, value in state.items():
        if isinstance(value, Tensor):  # buffers of a head may be infinite
            plain(value, name, own.get(name, value), file, may_be_infinite=True)
    model.load_state_dict(state, strict=False)
    meta = checkpoint.get("meta")
    return meta if isinstance(meta, Mapping) else {}


def behind_wrappers(model: nn.Module) -> nn.Module:
    """The model that a checkpoint is of: not a process's wrapper, nor one for several views."""
    inner: Any = model
    while is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
        inner = inner.module
    return inner


def compare_weights(
    model: nn.Module,
    state_dict: Mapping[str, Any],
    revise_keys: Sequence[tuple[str, str]],
    backbone: str = "backbone.",
) -> tuple[int, list[str]]:
    """Number of a model's weights that a checkpoint has, and what is wrong with the others.

    Args:
        model: the model.
        state_dict: of the checkpoint.
        revise_keys: patterns of names and their replacements, as in MMEngine.
        backbone: prefix of the backbone's weights.

    >>> compare_weights(nn.Linear(2, 1), nn.Linear(2, 1, bias=False).state_dict(), [])
    (1, ['1 missing (bias, ...)'])
    """
    own = {
        name: value
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    found = {}
    for name, value in state_dict.items():
        shape = getattr(value, "shape", None)
        name = _revised(name, revise_keys)
        # A FlexResNet accepts other families' names, any other backbone only its own.
        found[name] = found[_own_name(name, backbone)] = shape
    left_out = {
        "missing": [name for name in own if name not in found],
        "of another shape": [
            name for name in own if name in found and own[name].shape != found[name]
        ],
    }
    parts = [f"{len(n)} {what} ({n[0]}, ...)" for what, n in left_out.items() if n]
    return len(own) - sum(map(len, left_out.values())), parts


def _revised(name: str, revise_keys: Sequence[tuple[str, str]]) -> str:
    for pattern, replacement in revise_keys:
        name = re.sub(pattern, replacement, name)
    return name


def _own_name(name: str, backbone: str) -> str:
    """The name of a weight after loading into a `FlexResNet`."""
    if name.startswith(backbone):
        name = backbone + rename_key(name.removeprefix(backbone))
    return name
