"""FlexResNet among timm's models: ``timm.create_model("flexresnet50", ...)`` after this import."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..options.checks import check_choice, check_int, check_number
from ..options.errors import InputError
from ..resnet.interfaces.scripting import scriptable, traced
from ..resnet.interfaces.timm_methods import take_indices
from ..resnet.network import FlexResNet
from .missing import missing

try:
    from timm.layers import SelectAdaptivePool2d, create_classifier
    from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
    from timm.models._features import FeatureGetterNet
except ModuleNotFoundError as error:
    raise missing("timm", "timm", error) from error

__all__ = ["TimmFlexResNet"]

#: timm's, and the same by its faster functions.
POOLINGS = [
    "",
    *(f"{fast}{kind}" for fast in ("", "fast") for kind in ("avg", "max", "avgmax", "catavgmax")),
    "fast",
]

default_cfgs = generate_default_cfgs(
    {
        f"flexresnet{depth}": {
            "num_classes": 1000,
            "input_size": (3, 224, 224),
            "pool_size": (7, 7),
            "crop_pct": 0.95,
            "interpolation": "bicubic",
            "mean": (0.485, 0.456, 0.406),  # ImageNet's, of RGB from 0 to 1
            "std": (0.229, 0.224, 0.225),
            "first_conv": "conv1",
            "classifier": "fc",
        }
        for depth in (18, 34, 50, 101, 152)
    }
)


class TimmFlexResNet(FlexResNet):
    """A ``FlexResNet`` with pooling and classifier, as timm's models have them.

    Args:
        depth: as for ``FlexResNet``.
        num_classes: of the classifier; 0 is none.
        in_chans: channels of the image.
        global_pool: timm's: ``'avg'``, ``'max'``, ``'avgmax'``, ``'catavgmax'``, or ``''``: none,
            which needs ``num_classes=0``.
        drop_rate: of the dropout in front of the classifier.
        device, dtype: of parameters and buffers.
        options: of ``FlexResNet``, but for ``in_channels`` and ``out_indices``. The default of
            ``norm_eval`` is False: timm trains whole networks.

    Shape:
        ``(N, in_chans, H, W)`` to ``(N, num_classes)``.

    Raises:
        ValueError, TypeError: as for ``FlexResNet``.

    Example:
        >>> import timm, torch
        >>> x = torch.zeros(1, 3, 64, 64)
        >>> net = timm.create_model("flexresnet18", width=0.25, num_classes=10).eval()
        >>> tuple(net(x).shape)
        (1, 10)
        >>> net = timm.create_model("flexresnet18", features_only=True, out_indices=(1, -1)).eval()
        >>> net.feature_info.channels(), [tuple(one.shape) for one in net(x)]
        ([64, 512], [(1, 64, 16, 16), (1, 512, 2, 2)])
    """

    def __init__(
        self,
        depth: int | None = None,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **options: Any,
    ) -> None:
        for name, way_out in (
            ("in_channels", "timm's name is in_chans"),
            ("out_indices", "give features_only=True with it, and 0 for the stem's feature map"),
        ):
            if name in options:
                raise InputError(f"{name}={options[name]!r}: {way_out}")
        options.setdefault("norm_eval", False)
        super().__init__(depth, in_channels=in_chans, **options)
        self._end_at(len(self.stages))
        self.feature_info: Any = self.plan.feature_info.info  # timm makes its own of the entries
        self.num_features = self.feat_dim
        self.drop_rate = check_number("drop_rate", drop_rate, 0, 1)
        self.head_drop = nn.Dropout(drop_rate)
        self.to(device=device, dtype=dtype)
        self.reset_classifier(num_classes, global_pool)

    @traced
    def forward(self, x: Tensor) -> Any:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """``(N, in_chans, H, W)`` to the last feature map."""
        return super().forward(x)[-1]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The last feature map to ``(N, num_classes)``, or to the classifier's input."""
        x = self.head_drop(self.global_pool(x))  # (N, C, h, w) -> (N, C)
        return x if pre_logits else self.fc(x)

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Give the network a new classifier, with random weights.

        Args:
            num_classes: 0 is no classifier.
            global_pool: as for the class; None keeps what is there.

        Raises:
            ValueError, TypeError: an invalid value, or classes without pooling.
        """
        check_int("num_classes", num_classes, 0)
        if global_pool is None:
            global_pool = self.global_pool.pool_type
        check_choice("global_pool", global_pool, POOLINGS)
        if num_classes and not global_pool:
            raise InputError(
                f"global_pool='': a classifier of num_classes={num_classes} reads pooled features; "
                "give num_classes=0, or a pooling such as 'avg'"
            )
        self.num_classes = num_classes
        self.global_pool: SelectAdaptivePool2d
        self.global_pool, self.fc = create_classifier(
            self.num_features, num_classes, pool_type=global_pool
        )
        self.head_hidden_size = self.num_features * self.global_pool.feat_mult()
        for part in (self.global_pool, self.fc):
            part.to(next(self.parameters())).train(self.training)

    def save_pretrained(self, *arguments: Any, **options: Any) -> Any:
        """Refuses: timm has its own files for its models."""
        raise InputError(
            f"{type(self).__name__}: is stored by timm, with timm.models.save_for_hf or "
            "push_to_hf_hub; save_pretrained and push_to_hub are a FlexResNet's"
        )

    push_to_hub = save_pretrained

    def prune_intermediate_layers(
        self,
        indices: int | Sequence[int] = 1,
        prune_norm: bool = False,
        prune_head: bool = True,
    ) -> list[int]:
        """Drop the stages behind the last of ``indices``, and the head; returns the indices."""
        wanted = take_indices(len(self.stages) + 1, indices, "out_indices")
        stages = max(1, wanted[-1])  # the stem's map alone would be a network without a stage
        for name in self.res_layers[stages:]:
            delattr(self, name)
        self._end_at(stages)
        if wanted[-1] == 0:
            for behind in (self.stem_layers[-1], self.stages[0]):
                behind.requires_grad_(False)  # it is not run
        if prune_head:
            self.reset_classifier(0, "")
        return wanted

    def _end_at(self, stages: int) -> None:
        """Make the last of ``stages`` stages the only output."""
        self.plan = dataclasses.replace(
            self.plan, stages=self.plan.stages[:stages], out_indices=(stages - 1,)
        )
        self.out_indices = self.plan.out_indices
        self.out_channels, self.out_strides = self.plan.out_channels, self.plan.out_strides


class FeatureMaps(FeatureGetterNet):
    """timm's getter of feature maps, for TorchScript too; norms are folded as in the network."""

    def __prepare_scriptable__(self) -> nn.Module:
        return scriptable(self)


def _create(name: str, depth: int, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    if "depth" in options:
        raise InputError(f"depth={options['depth']!r}: the name {name} says it; leave it out")
    if options.get("features_only"):
        if options.setdefault("feature_cls", "getter") == "getter":
            options["feature_cls"] = FeatureMaps
        options.setdefault("out_indices", tuple(range(1 + options.get("num_stages", 4))))
        options.setdefault("num_classes", 0)
    if options.get("deep_stem"):
        overlay = options.get("pretrained_cfg_overlay") or {}
        options["pretrained_cfg_overlay"] = {"first_conv": "stem.0", **overlay}
    return build_model_with_cfg(TimmFlexResNet, name, pretrained, depth=depth, **options)


@register_model
def flexresnet18(pretrained: bool = False, **options: Any) -> nn.Module:
    """FlexResNet-18; ``options`` are of ``FlexResNet``."""
    return _create("flexresnet18", 18, pretrained, options)


@register_model
def flexresnet34(pretrained: bool = False, **options: Any) -> nn.Module:
    """FlexResNet-34; ``options`` are of ``FlexResNet``."""
    return _create("flexresnet34", 34, pretrained, options)


@register_model
def flexresnet50(pretrained: bool = False, **options: Any) -> nn.Module:
    """FlexResNet-50; ``options`` are of ``FlexResNet``."""
    return _create("flexresnet50", 50, pretrained, options)


@register_model
def flexresnet101(pretrained: bool = False, **options: Any) -> nn.Module:
    """FlexResNet-101; ``options`` are of ``FlexResNet``."""
    return _create("flexresnet101", 101, pretrained, options)


@register_model
def flexresnet152(pretrained: bool = False, **options: Any) -> nn.Module:
    """FlexResNet-152; ``options`` are of ``FlexResNet``."""
    return _create("flexresnet152", 152, pretrained, options)
