"""FlexResNet: a ResNet whose every part can be changed by an option."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from ..layers import AntiAlias, run_layers
from ..layers.norm import has_statistics, stay_in_eval
from ..layers.registry import LayerCfg
from ..options.checks import (
    check_bool,
    check_choice,
    check_int,
    refuse_unknown,
    refuse_unknown_options,
)
from .checkpoints import checkpoints
from .initial_values import init_network, reset_parameters, resolve_init_cfg
from .interfaces.familiar_names import FamiliarNetwork
from .interfaces.hub import HubMethods
from .interfaces.scripting import scriptable, traced
from .interfaces.stored_network import GivenOptions
from .interfaces.timm_methods import TimmMethods
from .memory_format import (
    ChannelsLast,
    back_to_contiguous,
    starts_channels_last,
    stays_channels_last,
    to_channels_last,
    weights_to_channels_last,
)
from .plan import NetworkPlan, plan_network
from .plan.from_options import structure
from .plan.network_plan import StemPool
from .random_weights import remember_first_values, warn_of_random_weights
from .residual_unit import Recompute
from .shortcut import Pooling
from .stages import build_stage
from .stem import build_stem


class FlexResNet(FamiliarNetwork, TimmMethods, HubMethods, nn.Module):
    """ResNet for dense prediction: ``(N, in_channels, H, W)`` to one feature map per output stage.

    Takes every option of MMDetection's ResNet and ResNeXt and of MMSegmentation's ResNet, V1c
    and V1d, with their meaning and, where those differ, MMDetection's default. Options marked
    with * take one value, or one per stage.

    Args:
        depth: 18, 34, 50, 101 or 152; None with ``stage_blocks`` and ``block``.
        in_channels: of the image.
        stem_channels: of the stem; None is ``base_channels``, times ``width``.
        base_channels: of the first stage's 3x3 convolutions; each stage doubles them.
        num_stages: number of stages.
        strides: of each stage.
        dilations: of each stage.
        out_indices: the stages whose outputs are returned, ascending, from 0; -1 is the last one.
            Those behind are built, so that weights of the whole network load, but do not run and
            learn nothing.
        style: ``'pytorch'``: a bottleneck's 3x3 convolution downsamples; ``'caffe'``: its first.
        deep_stem: three 3x3 convolutions for the 7x7 one (ResNet-C, arXiv 1812.01187).
        avg_down: average pooling does the shortcuts' downsampling (ResNet-D, ibid.).
        frozen_stages: -1: none. 0: the stem. k: the stem and the first k stages. They stay in eval
            mode and their parameters get no gradient.
        conv_cfg, norm_cfg, act_cfg: convolution, norm and activation: a name, MMEngine's dict, or
            a class.
        norm_eval: batch norms stay in eval mode, also in training.
        dcn: deformable convolution for the 3x3 ones: ``dict(type='DCNv2', deform_groups=1)``.
        stage_with_dcn: which stages have it.
        plugins: MMCV's: ``[dict(cfg=dict(type=...), position='after_conv2', stages=(...)), ...]``.
        with_cp: recompute each block in the backward pass, to save memory.
        recompute: ``'light'``: recompute each block's first convolution alone there, where that is
            a small part of the computation.
        zero_init_residual: a block starts as its shortcut (arXiv 1706.02677).
        pretrained: old form of ``init_cfg=dict(type='Pretrained', checkpoint=pretrained)``.
        init_cfg: MMEngine's; None is He's normal initialisation. ``'Pretrained'`` accepts the
            arguments of ``load_weights``: ``dict(type='Pretrained', checkpoint=..., adapt=...)``.
        groups, base_width: ResNeXt's (arXiv 1611.05431); with one group, Wide ResNet's width.
        multi_grid: the dilation of each block of the last stage (arXiv 1706.05587).
        contract_dilation*: a dilated stage's first block has half the dilation.
        kernel_size*: of both convolutions of a basic block, or the middle one of a bottleneck.
        depthwise*: the same convolutions have one group per channel.
        spatial_separable*: the same, where they do not downsample, are N x 1 and 1 x N.
        pool_on_residual_downsample*: ``'maxpool'`` or ``'averagepool'`` downsamples the shortcut;
            a 1x1 convolution follows if the channels change too.
        bn_momentum*: of the running statistics, unless it is in ``norm_cfg``.
        width*: factor on the channels; 0.5 is half width.
        stage_blocks: blocks of each stage, in place of the depth's.
        block*: ``'basic'`` or ``'bottleneck'``, in place of the depth's.
        output_stride: 8, 16 or 32: sets strides and dilations to reach it.
        attention*: ``'SE'`` (arXiv 1709.01507), ``'ECA'`` (arXiv 1910.03151), or a dict with more.
        anti_alias: ``'blur'`` or True: blur before subsampling (arXiv 1904.11486). ``'average'``:
            subsample by averaging.
        drop_path_rate: stochastic depth of the last block, growing from 0 at the first (arXiv
            1603.09382).
        stem_kernel_size: of the stem's one convolution, in pixels.
        deep_stem_channels: of the deep stem's first two convolutions; None is half of the stem's.
            (24, 32) is the tiered stem.
        stem_pool: ``'max'``, ``'average'``, or ``'conv'``: a strided convolution and a norm.
        reduce_first: factor by which a block's first convolution has fewer channels (SENet-154).
        down_kernel_size: of the shortcuts' convolution where it downsamples.
        project_first: each stage's first block has a projection as its shortcut, also where its
            input would fit (ResNet-18 and 34 of RT-DETR, arXiv 2304.08069).
        conv_channels: of each convolution of each block of each stage, for pruned networks, in
            place of what ``width`` gives: ``[[(64, 64, 256), ...], ...]``.
        channels_last: memory format of the feature maps. True: channels last, weights and outputs
            too. False: that of the input. ``'auto'``: channels last inside as far as that is
            faster (on the CPU in the early stages, on a GPU in half precision), with contiguous
            weights and outputs, which every head can work with.

    Attributes:
        plan: what it is made of, to print and compare; ``FlexResNet.plan_of`` gives it before.
        out_channels: channels of each output.
        out_strides: stride of each output; H rows of the input become ``ceil(H / stride)``.
        feature_info: both and the modules' names, in timm's form; see ``FeatureInfo``.

    Raises:
        ValueError: an invalid value, or options that exclude each other.
        TypeError: an unknown option, or a value of the wrong type.

    Example:
        >>> import torch
        >>> net = FlexResNet(18, width=0.5).eval()
        >>> net.out_channels, net.out_strides
        ((32, 64, 128, 256), (4, 8, 16, 32))
        >>> [tuple(feature.shape) for feature in net(torch.zeros(1, 3, 64, 64))]
        [(1, 32, 16, 16), (1, 64, 8, 8), (1, 128, 4, 4), (1, 256, 2, 2)]
    """

    weights_are_given: bool
    _first_version: int

    @refuse_unknown_options
    def __init__(
        self,
        depth: int | None = None,
        in_channels: int = 3,
        stem_channels: int | None = None,
        base_channels: int = 64,
        num_stages: int = 4,
        strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1),
        out_indices: Sequence[int] = (0, 1, 2, 3),
        style: Literal["pytorch", "caffe"] = "pytorch",
        deep_stem: bool = False,
        avg_down: bool = False,
        frozen_stages: int = -1,
        conv_cfg: LayerCfg | None = None,
        norm_cfg: LayerCfg | None = None,
        norm_eval: bool = True,
        dcn: Mapping[str, Any] | None = None,
        stage_with_dcn: Sequence[bool] = (False, False, False, False),
        plugins: Sequence[Mapping[str, Any]] | None = None,
        with_cp: bool = False,
        zero_init_residual: bool = True,
        pretrained: str | None = None,
        init_cfg: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        groups: int = 1,
        base_width: int | None = None,
        multi_grid: Sequence[int] | None = None,
        contract_dilation: bool | Sequence[bool] = False,
        *,
        act_cfg: LayerCfg | None = None,
        kernel_size: int | Sequence[int] = 3,
        depthwise: bool | Sequence[bool] = False,
        spatial_separable: bool | Sequence[bool] = False,
        pool_on_residual_downsample: Pooling | Sequence[Pooling] = False,
        bn_momentum: float | None | Sequence[float | None] = 0.1,
        width: float | Sequence[float] = 1.0,
        stage_blocks: Sequence[int] | None = None,
        block: str | Sequence[str] | None = None,
        output_stride: int | None = None,
        attention: LayerCfg | None | Sequence[LayerCfg | None] = None,
        anti_alias: AntiAlias = False,
        drop_path_rate: float = 0.0,
        stem_kernel_size: int = 7,
        deep_stem_channels: Sequence[int] | None = None,
        stem_pool: StemPool = "max",
        reduce_first: int = 1,
        down_kernel_size: int = 1,
        project_first: bool = False,
        conv_channels: Sequence[Sequence[Sequence[int]]] | None = None,
        channels_last: ChannelsLast = "auto",
        recompute: Recompute = None,
    ) -> None:
        super().__init__()
        self.given_options = GivenOptions(FlexResNet, locals())
        self.plan = plan_network(**structure(locals()))
        stem = build_stem(self.plan.stem, self.plan.shared)
        self._stem_names = tuple(stem)
        for name, layer in stem.items():
            self.add_module(name, layer)
        for name, stage in zip(self.res_layers, self.plan.stages, strict=True):
            own = build_stage(stage, self.plan.shared, with_cp=with_cp, recompute=recompute)
            self.add_module(name, own)

        self.depth = depth
        self.out_indices = self.plan.out_indices
        self.out_channels = self.plan.out_channels
        self.out_strides = self.plan.out_strides
        self.feature_info = self.plan.feature_info

        # How it runs, learns and begins stays out of the plan: what a network is made of, and which
        # weights fit it, does not hang on that, and users change it on a network that is built.
        self.frozen_stages = check_int("frozen_stages", frozen_stages, -1, num_stages)
        self.norm_eval = check_bool("norm_eval", norm_eval)
        self.channels_last = check_choice("channels_last", channels_last, [True, False, "auto"])
        self.zero_init_residual = check_bool("zero_init_residual", zero_init_residual)
        self.init_cfg = resolve_init_cfg(pretrained, init_cfg)
        reset_parameters(self, self.zero_init_residual)
        remember_first_values(self)
        for behind in self.stages[self.out_indices[-1] + 1 :]:
            behind.requires_grad_(False)
        if self.channels_last is True:
            weights_to_channels_last(self)
        self.train()

    @classmethod
    def plan_of(cls, **options: Any) -> NetworkPlan:
        """What a network with these options would be made of; nothing is built.

        Args:
            options: of ``FlexResNet``.

        Raises:
            ValueError, TypeError: an option that cannot be, as far as the plan shows; layers refuse
                their own when they are built.

        Example:
            >>> FlexResNet.plan_of(depth=50, width=0.5).out_channels
            (128, 256, 512, 1024)
            >>> FlexResNet.plan_of(depth=18) == FlexResNet(18, frozen_stages=1).plan
            True
        """
        signature = inspect.signature(FlexResNet)
        refuse_unknown("FlexResNet", options, signature.parameters)
        given = signature.bind(**options)
        given.apply_defaults()
        return plan_network(**structure(given.arguments))

    @classmethod
    def from_checkpoint(
        cls,
        source: str | Path | Mapping[str, Any],
        *,
        prefix: str | None = None,
        allow_partial: bool = False,
        adapt: Iterable[str] = (),
        reverse_channels: bool = False,
        bands: Sequence[int | None] | None = None,
        **options: Any,
    ) -> FlexResNet:
        """Build the network of a checkpoint, with its weights.

        Depth, width, stem, groups and block options are read off the weights; ``style`` is taken
        from a signature in the checkpoint, its name or its family, with a warning where that is a
        guess, and has to be given where nothing says it (Detectron2's names). Weights do not
        show strides, dilations, ``anti_alias``, activations, a norm's eps and groups: ``timm://``
        and ``hf-hub:`` give those; else the defaults are taken.

        Args:
            source, prefix, allow_partial, adapt, reverse_channels, bands: as in ``load_weights``.
            options: of ``FlexResNet``, before what is read off, as ``out_indices=(1, 2, 3)``.

        Raises:
            CheckpointError: unreadable, or of no ResNet that ``FlexResNet`` can be.
            ValueError, TypeError: a wrong option.

        Example:
            >>> state = FlexResNet(50, width=0.5, groups=32).state_dict()
            >>> net = FlexResNet.from_checkpoint(state, out_indices=(3,))
            >>> net.depth, net.out_channels
            (50, (1024,))
        """
        return checkpoints().build(
            cls,
            source,
            prefix=prefix,
            allow_partial=allow_partial,
            adapt=adapt,
            reverse_channels=reverse_channels,
            bands=bands,
            options=options,
        )

    @property
    def stages(self) -> list[nn.Module]:
        """The stages, in the order of the forward pass."""
        return [getattr(self, name) for name in self.res_layers]

    @property
    def stem_layers(self) -> list[nn.Module]:
        """The stem's layers, in the order of the forward pass."""
        return [getattr(self, name) for name in self._stem_names]

    @traced
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of the stages in ``out_indices``.

        Args:
            x: ``(N, in_channels, H, W)``.

        Returns:
            For each output ``(N, out_channels[i], ceil(H / out_strides[i]), ...)``.
        """
        if self.training:
            warn_of_random_weights(self)
        back = self.channels_last == "auto" and starts_channels_last(x, self)
        if back or self.channels_last is True:
            x = to_channels_last(x)
        # (N, in_channels, H, W) -> (N, stem_channels, H / 4, W / 4)
        x = run_layers(self.stem_layers, x)
        outputs: list[Tensor] = []
        for index, stage in enumerate(self.stages[: self.out_indices[-1] + 1]):
            if back and index and not stays_channels_last(x, stage):
                x = outputs[-1] if index - 1 in self.out_indices else back_to_contiguous(x)
                back = False
            # (N, C, h, w) -> (N, C', h / stride, w / stride)
            x = stage(x)
            if index in self.out_indices:
                outputs.append(back_to_contiguous(x) if back else x)
        return tuple(outputs)

    def train(self, mode: bool = True) -> FlexResNet:
        """Set the mode; frozen stages, and with ``norm_eval`` batch norms, stay in eval mode.

        They also do when ``train`` is called on them, or on a module that holds some of them.
        """
        frozen: set[nn.Module] = set()
        if self.frozen_stages >= 0:
            for part in (*self.stem_layers, *self.stages[: self.frozen_stages]):
                frozen.update(part.requires_grad_(False).modules())
        for module in self.modules():
            stay_in_eval(module, module in frozen or (self.norm_eval and has_statistics(module)))
        return super().train(mode)

    def init_weights(self) -> None:
        """Initialise the parameters as ``init_cfg`` says; MMEngine calls this.

        Raises:
            CheckpointError: the checkpoint cannot be read, or does not match.
        """
        init_network(self, self.init_cfg, self.zero_init_residual)

    def __prepare_scriptable__(self) -> nn.Module:
        return scriptable(self)  # torch.jit.script asks for it

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        self.weights_are_given = True
        checkpoints().rename_keys(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)
