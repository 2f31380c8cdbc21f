"""The two files of a stored network: ``config.json`` with its options and ``model.safetensors``."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...files.whole import write_whole
from ...layers.act import ACTIVATIONS
from ...layers.norm import NORMS
from ...options.errors import InputError
from ...version import __version__
from ..plan.local_layers import StorablePlan

CONFIG, WEIGHTS = "config.json", "model.safetensors"
#: Of ``config.json``; grows when an older version would misread a file.
FORMAT = 1
#: Where weights came from is not part of a network.
_ORIGIN = {"init_cfg", "pretrained"}
#: Options that users may change on a network that is built.
_CHANGED = ("frozen_stages", "norm_eval", "channels_last", "zero_init_residual", "out_indices")


class GivenOptions(StorablePlan):
    """The options that a network was built with, without those that have their default.

    Attributes:
        values: by name.
    """

    def __init__(self, init: Any, arguments: Mapping[str, Any]) -> None:
        parameters = inspect.signature(init).parameters
        self.values = {
            name: arguments[name]
            for name, parameter in parameters.items()
            if name != "self" and not _same(arguments[name], parameter.default)
        }


def write_network(net: Any, folder: Path) -> None:
    """Write both files of ``net``.

    Raises:
        InputError: an option cannot be written.
    """
    from safetensors.torch import save

    config = {
        "library": "resblock_backbones",
        "version": __version__,
        "format": FORMAT,
        "dtype": str(next(net.parameters()).dtype).removeprefix("torch."),
        "options": as_json_value("options", options_of(net)),
        "plan": as_json_value("plan", dataclasses.asdict(net.plan)),
    }
    tensors = {name: one.detach().cpu().contiguous() for name, one in net.state_dict().items()}
    write_whole(folder / CONFIG, json.dumps(config, indent=2).encode())
    write_whole(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))


def options_of(net: Any) -> dict[str, Any]:
    """The options that build a network as ``net`` is now."""
    built = net.given_options.values
    options = {name: value for name, value in built.items() if name not in _ORIGIN}
    defaults = inspect.signature(type(net)).parameters
    for name in _CHANGED:
        value = getattr(net, name)
        if name in options or not _same(value, defaults[name].default):
            options[name] = value
    return options


def read_network(network: Any, config_file: Path, weights: Path, changed: Mapping[str, Any]) -> Any:
    """Build the network that two files tell.

    Args:
        network: the class.
        config_file, weights: as :func:`write_network` writes them.
        changed: options in place of the file's.

    Raises:
        InputError: a file is not what it should be, or of a newer version.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = _read_config(config_file)
    try:
        plan = network.plan_of(**config["options"])
    except (TypeError, ValueError) as error:
        raise InputError(f"{config_file}: {error}{written_by(config)}") from error
    if as_json_value("plan", dataclasses.asdict(plan)) != config["plan"]:
        raise InputError(
            f"{config_file}: its options give another network than its plan tells"
            f"{written_by(config)}"
        )
    net = network(**{**config["options"], **changed}).to(getattr(torch, config["dtype"]))
    try:
        net.load_state_dict(load_file(weights), strict=True)
    except (RuntimeError, OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{weights}: does not fit {config_file.name}: {reason}") from error
    return net.eval()


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
    if not isinstance(config, dict) or config.get("library") != "resblock_backbones":
        raise InputError(f"{file}: is not a config.json that FlexResNet.save_pretrained writes")
    refuse_newer(str(file), config.get("format"), writer=written_by(config))
    if "model" in config:
        raise InputError(f"{file}: is of a whole model, which Predictor opens")
    dtype = getattr(torch, str(config.get("dtype")), None)
    if not (isinstance(dtype, torch.dtype) and isinstance(config.get("options"), dict)):
        raise InputError(f"{file}: has no options, or no dtype of PyTorch")
    return config


def refuse_newer(where: str, written: Any, *, known: int = FORMAT, writer: str = "") -> None:
    """Refuse a file of a format that this version does not know.

    Args:
        where: the file, for the message.
        written: its format.
        known: the newest format that is read.
        writer: what is known of the version that wrote it, for the message.

    Raises:
        InputError: it is newer than ``known``.
    """
    if not isinstance(written, int) or written > known:
        raise InputError(
            f"{where}: is of a newer version: format {written}, and this one reads up to "
            f"{known}{writer}"
        )


def written_by(config: Mapping[str, Any]) -> str:
    """For messages: the version that wrote a file, if it is another one."""
    version = config.get("version")
    if version == __version__:
        return ""
    return f"; resblock_backbones {version} wrote it, this is {__version__}: install that version"


def as_json_value(where: str, value: Any) -> Any:
    """``value`` as JSON holds it; layers by name.

    >>> as_json_value("options", {"kernel_size": (3, 5), "act_cfg": torch.nn.SiLU})
    {'kernel_size': [3, 5], 'act_cfg': 'SiLU'}
    """
    if isinstance(value, Mapping):
        return {str(name): as_json_value(f"{where}: {name}", one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_json_value(where, one) for one in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    for name, layer in (*ACTIVATIONS.items(), *NORMS.items()):
        if layer is value:
            return name
    raise InputError(f"{where}={value!r}: cannot be written to {CONFIG}; give the layer by name")


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and value == default)
