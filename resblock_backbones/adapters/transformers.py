"""FlexResNet as a backbone of transformers' detectors and segmentation models."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn

from ..layers.blur_pool import BlurPool, binomial_filter
from ..layers.norm import has_statistics
from ..options.checks import refuse_unknown
from ..resnet.initial_values import reset_parameters
from ..resnet.interfaces.feature_maps import maps_in_order
from ..resnet.interfaces.stored_network import FORMAT, as_json_value, refuse_newer
from ..resnet.memory_format import back_to_contiguous
from ..resnet.network import FlexResNet
from .missing import missing

try:
    from transformers import AutoBackbone, AutoConfig, AutoModel, PreTrainedModel
    from transformers import PreTrainedConfig as Config
    from transformers.backbone_utils import BackboneConfigMixin, BackboneMixin
    from transformers.modeling_outputs import BackboneOutput
except ModuleNotFoundError as error:
    raise missing("transformers", "transformers", error) from error

__all__ = ["FlexResNetBackbone", "FlexResNetConfig"]

#: What transformers writes into a config.json, or takes, beside the fields of a config.
_OF_TRANSFORMERS = {
    *("model_type", "transformers_version", "torch_dtype", "name_or_path", "num_labels"),
    *("output_attentions", "attn_implementation", "experts_implementation"),
}


class FlexResNetConfig(BackboneConfigMixin, Config):
    """Options of a ``FlexResNet``, and the feature maps that it returns.

    Args:
        options: of ``FlexResNet``, but for ``out_indices``. They may be given as keywords of their
            own. The default of ``norm_eval`` is False: whole models are trained.
        out_indices: transformers': 0 is the stem's feature map, behind its pooling, the stages are
            1 to 4. The default is the last one.
        out_features: the same by name: ``'stem'``, ``'stage1'``, ...

    Raises:
        ValueError, TypeError: as for ``FlexResNet``; there are no such feature maps.

    Example:
        >>> config = FlexResNetConfig(depth=50, deep_stem=True, out_indices=[2, 3, 4])
        >>> config.out_features, config.options
        (['stage2', 'stage3', 'stage4'], {'depth': 50, 'deep_stem': True})
    """

    # Without "resnet": transformers' DETR freezes every parameter of a backbone whose type has that
    # in it and whose parameters are not called as in its own ResNet.
    model_type = "resblock_backbones"

    options: dict | None = None
    format_version: int = FORMAT
    _out_features: list[str] | None = None
    _out_indices: list[int] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        refuse_newer("FlexResNetConfig", self.format_version)
        chosen = {name: kwargs.pop(name, None) for name in ("out_indices", "out_features")}
        known = set(inspect.signature(FlexResNet).parameters) - {"out_indices"}
        given = {name: kwargs.pop(name) for name in list(kwargs) if name in known}
        outside = [name for name in kwargs if name[0] != "_" and name not in _OF_TRANSFORMERS]
        refuse_unknown("FlexResNet", outside, known)
        options = as_json_value("options", {**(self.options or {}), **given})
        self.options = options
        FlexResNet.plan_of(**options)  # refuses a wrong option here
        self.set_output_features_output_indices(**chosen)
        super().__post_init__(**kwargs)

    @property
    def stage_names(self) -> list[str]:
        """Names of all feature maps."""
        count = (self.options or {}).get("num_stages", 4)
        return ["stem", *(f"stage{number}" for number in range(1, count + 1))]

    @property
    def num_channels(self) -> int:
        """Channels of the images."""
        return (self.options or {}).get("in_channels", 3)


class FlexResNetBackbone(BackboneMixin, PreTrainedModel):
    """A ``FlexResNet`` that transformers builds, stores and loads.

    Args:
        config: the options.

    Attributes:
        net: the ``FlexResNet``; weights of other libraries go into it by ``load_weights``.

    Shape:
        ``(N, C, H, W)`` to an output whose ``feature_maps`` are a tuple.

    Example:
        >>> import torch
        >>> config = FlexResNetConfig(depth=18, width=0.25, out_features=["stem", "stage4"])
        >>> model = AutoBackbone.from_config(config).eval()
        >>> model.channels
        [16, 128]
        >>> [tuple(one.shape) for one in model(torch.zeros(1, 3, 64, 64)).feature_maps]
        [(1, 16, 16, 16), (1, 128, 2, 2)]
    """

    config: FlexResNetConfig
    config_class = FlexResNetConfig
    base_model_prefix = "backbone"
    main_input_name = "pixel_values"
    input_modalities = ["image"]
    has_attentions = False
    supports_gradient_checkpointing = True

    def __init__(self, config: FlexResNetConfig) -> None:
        super().__init__(config)
        last = max(self._positive(config.out_indices))
        options = {"norm_eval": False, **(config.options or {})}
        # Stages behind the last output are not run, and need no gradient.
        self.net = FlexResNet(**options, out_indices=(max(last, 1) - 1,))
        if last == 0:
            self.net.stages[0].requires_grad_(False)
        self.num_features = [entry["num_chs"] for entry in self.net.feature_info.info]
        self.num_features[0] = self.net.plan.stem.out_channels
        self.post_init()

    def forward(  # type: ignore[override]
        self,
        pixel_values: Tensor,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **ignored: Any,
    ) -> Any:
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if return_dict is None:
            return_dict = self.config.return_dict
        indices = self._positive(self.config.out_indices)
        count = len(self.net.stages) if output_hidden_states else max(indices)
        # (N, C, H, W) -> (N, C_i, H / stride_i, W / stride_i) for the stem and each stage
        maps, back = maps_in_order(self.net, pixel_values, max(count, 1))
        maps = [back_to_contiguous(one) for one in maps[1:]] if back else maps[1:]
        features: Any = tuple(maps[index] for index in indices)
        hidden = tuple(maps) if output_hidden_states else None
        if not return_dict:
            return (features,) if hidden is None else (features, hidden)
        return BackboneOutput(feature_maps=features, hidden_states=hidden, attentions=None)

    @property
    def gradient_checkpointing(self) -> bool:
        """Whether blocks are computed again in the backward pass; transformers sets it."""
        return any(getattr(block, "with_cp", False) for block in self.net.modules())

    @gradient_checkpointing.setter
    def gradient_checkpointing(self, enable: bool) -> None:
        self.net.set_grad_checkpointing(enable)

    def _initialize_weights(self, module: nn.Module, is_custom_code: bool = False) -> None:
        # For code outside transformers it would skip modules without parameters of their own.
        super()._initialize_weights(module)

    def _init_weights(self, module: nn.Module) -> None:
        """Fill what a checkpoint did not have; what it had is marked, and left as it is."""
        if isinstance(module, FlexResNet):
            reset_parameters(module, module.zero_init_residual)
        elif isinstance(module, BlurPool):  # not stored
            module.kernel.copy_(binomial_filter(module.kernel.shape[0]))
        elif has_statistics(module) and isinstance(module.running_mean, Tensor):
            nn.init.zeros_(module.running_mean)
            nn.init.ones_(module.running_var)  # type: ignore[arg-type]

    def _positive(self, indices: list[int]) -> list[int]:
        return [index % len(self.stage_names) for index in indices]


AutoConfig.register(FlexResNetConfig.model_type, FlexResNetConfig)
AutoBackbone.register(FlexResNetConfig, FlexResNetBackbone)
AutoModel.register(FlexResNetConfig, FlexResNetBackbone)
