"""Learning rates by depth for a model with a FlexResNet, and rules that match no parameter."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS
from torch import nn

from ....options.errors import ConfigError
from ....resnet.network import FlexResNet
from ....resnet.parameter_groups import param_groups
from ...configs.nearest import nearest
from .mistakes import nearest_class

#: What MMEngine's own constructor reads.
PARAMWISE = (
    *("custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "flat_decay_mult"),
    *("dwconv_decay_mult", "dcn_offset_lr_mult", "bypass_duplicate"),
)
#: MMDetection's and MMSegmentation's, which know ConvNeXt and a few transformers alone.
THEIRS = ("LearningRateDecayOptimizerConstructor", "LayerDecayOptimizerConstructor")


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class FlexLayerDecayConstructor(DefaultOptimWrapperConstructor):
    """Learning rates that fall from block to block of a FlexResNet towards the image.

    With the settings of MMDetection's `LearningRateDecayOptimizerConstructor`; the numbers are
    those of `resblock_backbones.param_groups`. What is not the backbone has the full learning rate.

    `paramwise_cfg`: `decay_rate`, the factor from one depth to the one before; `decay_type`,
    `'layer_wise'` for blocks (the default) or `'stage_wise'`. `num_layers` is read off the network,
    whatever it is set to.
    """

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **kwargs: Any) -> None:
        """Add the groups of all parameters of `module` to `params`."""
        settings = dict(self.paramwise_cfg or {})
        kind = settings.get("decay_type", "layer_wise")
        if kind not in ("layer_wise", "stage_wise") or "decay_rate" not in settings:
            raise ConfigError(
                f"paramwise_cfg: decay_type {kind!r}, decay_rate {settings.get('decay_rate')!r}: "
                "needs 'layer_wise' or 'stage_wise' and a number above 0, at most 1"
            )
        if self.base_lr is None:
            raise ConfigError("optimizer: needs lr, which is then lowered by depth")
        groups = param_groups(
            module,
            self.base_lr,
            settings["decay_rate"],
            self.base_wd or 0.0,
            by="stage" if kind == "stage_wise" else "block",
        )
        params.extend(group | {"lr_scale": group["lr"] / self.base_lr} for group in groups)


def check_optimizer(optim_wrapper: Any) -> None:
    """Refuse an optimizer that is not registered, and arguments that the first iteration refuses.

    Raises:
        ConfigError: there is no optimizer of that name, or `clip_grad` or `paramwise_cfg` has keys
            that nothing reads.
    """
    if isinstance(optim_wrapper, Mapping) and isinstance(optim_wrapper.get("clip_grad"), Mapping):
        _check_clipping(optim_wrapper["clip_grad"])
    if isinstance(optim_wrapper, Mapping) and optim_wrapper.get("constructor") is None:
        for name in optim_wrapper.get("paramwise_cfg") or {}:
            if name not in PARAMWISE:
                told = nearest(name, PARAMWISE, cutoff=0.6) or f"; it has {', '.join(PARAMWISE)}"
                raise ConfigError(f"optim_wrapper.paramwise_cfg: there is no {name!r}{told}")
    optimizer = optim_wrapper.get("optimizer") if isinstance(optim_wrapper, Mapping) else None
    kind = optimizer.get("type") if isinstance(optimizer, Mapping) else None
    if not isinstance(kind, str):
        return
    with OPTIMIZERS.switch_scope_and_registry(None) as registry:
        if registry.get(kind) is None:
            raise ConfigError(f"optim_wrapper: there is no optimizer {kind}{nearest_class(kind)}")


def _check_clipping(given: Mapping[str, Any]) -> None:
    by_value = given.get("type", "norm") == "value"
    clip = torch.nn.utils.clip_grad_value_ if by_value else torch.nn.utils.clip_grad_norm_
    known = [name for name in inspect.signature(clip).parameters if name != "parameters"]
    for name in given:
        if name not in (*known, "type"):
            told = nearest(name, known, cutoff=0.7) or f"; it has {', '.join(known)}"
            raise ConfigError(f"optim_wrapper.clip_grad: there is no {name!r}{told}")
    if known[0] not in given:
        raise ConfigError(f"optim_wrapper.clip_grad: needs {known[0]!r}")


def fit_constructor(optim_wrapper: Any, model: nn.Module) -> Any:
    """An `optim_wrapper` of a config, with a constructor that knows the model's backbone."""
    if not isinstance(optim_wrapper, Mapping) or optim_wrapper.get("constructor") is None:
        return optim_wrapper
    kind = optim_wrapper["constructor"]
    name = kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__
    if name not in THEIRS or not any(isinstance(one, FlexResNet) for one in model.modules()):
        return optim_wrapper
    return {**optim_wrapper, "constructor": FlexLayerDecayConstructor.__name__}


def rules_without_parameters(optim_wrapper: Any, model: nn.Module) -> Iterator[str]:
    """What to say of each key of `custom_keys` that is in no parameter's name."""
    paramwise = optim_wrapper.get("paramwise_cfg") if isinstance(optim_wrapper, Mapping) else None
    names = [name.removeprefix("module.") for name, _ in model.named_parameters()]
    parts = {part for name in names for part in name.split(".")}
    for key in (paramwise or {}).get("custom_keys") or {}:
        if not any(key in name for name in names):
            near = nearest(key, parts, cutoff=0.7)
            yield (
                f"optim_wrapper.paramwise_cfg.custom_keys: {key!r} is in no parameter's name and "
                f"changes nothing{near}"
            )
