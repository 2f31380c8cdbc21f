"""Weights of timm, and options of its architectures that weights do not show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..errors import CheckpointError
from .read import download, read_file


def open_timm(name: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Weights by timm's own loader and cache, and options of ``FlexResNet``.

    Args:
        name: ``timm://`` and a model's name, or ``hf-hub:owner/name``.

    Raises:
        CheckpointError: timm has no such model or no weights for it, or it is not a ResNet.
        ImportError: timm is not installed.
    """
    architecture, cfg, arguments = _describe(name)
    # Raises before anything is downloaded.
    options = architecture_options(architecture, name, arguments)
    try:
        return _load(name, cfg), options
    except CheckpointError:
        raise
    except Exception as error:  # downloading raises errors of many types
        raise CheckpointError(
            f"{name}: timm cannot load its weights ({_first_line(error)}); give a local file"
        ) from error


def architecture_options(
    architecture: str, name: str | None = None, arguments: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Options of a model of timm's ``resnet`` module that its weights do not show.

    Args:
        architecture: timm's name.
        name: of the weights, for messages.
        arguments: of the model, besides those of the architecture.

    Raises:
        CheckpointError: timm has no such model, or it is of another module.

    Example:
        >>> architecture_options("resnetaa50d"), architecture_options("resnet50")
        ({'anti_alias': 'average', 'stem_pool': 'average'}, {})
    """
    import timm
    from timm.models.resnet import ResNet

    name = name or f"timm://{architecture}"
    try:
        with torch.device("meta"):  # no memory, no initialisation
            model = timm.create_model(architecture, pretrained=False, **(arguments or {}))
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(f"{name}: {_first_line(error)}") from error
    if not isinstance(model, ResNet):
        raise CheckpointError(f"{name}: is timm's {type(model).__name__}, not a ResNet")
    return _options(model)


def timm_transform(name: str) -> Any:
    """The transform of timm's weights, from an image to ``(3, H, W)``.

    Raises:
        CheckpointError: timm has no such weights.
    """
    from timm.data import create_transform, resolve_data_config

    _, cfg, _ = _describe(name)
    # At timm's test size, which may be larger than the training size.
    return create_transform(**resolve_data_config(pretrained_cfg=dict(cfg), use_test_size=True))


def _options(model: Any) -> dict[str, Any]:
    from timm.layers import BlurPool2d

    options: dict[str, Any] = {}
    blur = getattr(model.layer2[0], "aa", None)
    if isinstance(blur, BlurPool2d):
        options["anti_alias"] = "blur"
    elif isinstance(blur, nn.AvgPool2d):
        options["anti_alias"] = "average"
    if isinstance(model.maxpool, nn.AvgPool2d):
        options["stem_pool"] = "average"
    norm = model.bn1
    if isinstance(norm, nn.GroupNorm):
        options["norm_cfg"] = {"type": "GN", "num_groups": norm.num_groups}
    if norm.eps != 1e-5:
        options["norm_cfg"] = {**options.get("norm_cfg", {"type": "BN"}), "eps": norm.eps}
    if not isinstance(model.act1, nn.ReLU):
        options["act_cfg"] = type(model.act1).__name__
    return options


def _describe(name: str) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """The architecture, timm's config of the weights, and arguments of the model."""
    import timm

    if name.startswith("hf-hub:"):
        try:
            cfg, architecture, arguments = timm.models.load_model_config_from_hf(
                name.removeprefix("hf-hub:")
            )
        except Exception as error:
            raise CheckpointError(
                f"{name}: timm cannot load its config ({_first_line(error)})"
            ) from error
        return architecture, cfg, arguments or {}
    model = name.removeprefix("timm://")
    architecture, _, tag = model.partition(".")
    if not timm.is_model(architecture):
        raise CheckpointError(f"{name}: timm has no model '{architecture}'")
    try:
        found = timm.models.get_pretrained_cfg(model, allow_unregistered=False)
    except RuntimeError as error:
        raise CheckpointError(
            f"{name}: timm has no weights '{tag}' for '{architecture}'"
        ) from error
    return architecture, {} if found is None else found.to_dict(), {}


def _load(name: str, cfg: Mapping[str, Any]) -> Mapping[str, Any]:
    import timm

    hub_id, url = cfg.get("hf_hub_id"), cfg.get("url")
    if hub_id:
        filename = {"filename": cfg["hf_hub_filename"]} if cfg.get("hf_hub_filename") else {}
        return timm.models.load_state_dict_from_hf(hub_id, weights_only=True, **filename)
    if url:
        return read_file(download(url, check_hash=True))
    raise CheckpointError(f"{name}: timm has no weights for it")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
