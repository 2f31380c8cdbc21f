"""FlexResNet among the encoders of segmentation_models.pytorch, after this import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..options.checks import check_choice, check_int
from ..options.errors import InputError
from ..resnet.interfaces.scripting import scriptable, traced
from ..resnet.network import FlexResNet
from ..resnet.plan.from_options import first_stages
from ..weights.adapt import FIRST_CONVS, adapt_tensors
from .missing import missing

__all__ = ["SmpFlexResNet", "register"]

try:
    from segmentation_models_pytorch.encoders import encoders
    from segmentation_models_pytorch.encoders._base import EncoderMixin
except ModuleNotFoundError as error:
    raise missing("segmentation_models_pytorch", "smp", error) from error


class SmpFlexResNet(nn.Module, EncoderMixin):
    """A ``FlexResNet`` as an encoder: the image, the stem's feature map, and those of the stages.

    Args:
        options: of ``FlexResNet``. The default of ``norm_eval`` is False: whole models are trained.
        depth: how many feature maps beside the image, 1 to 5; stages behind them are not built.
        output_stride: 8, 16 or 32: the last stages are dilated from there on.

    Attributes:
        net: the ``FlexResNet``.
        out_channels: of the image and the feature maps.
        output_stride: of the last feature map.

    Shape:
        ``(N, C, H, W)`` to a list of ``depth + 1`` tensors, the first of which is the input.

    Raises:
        ValueError, TypeError: as for ``FlexResNet``.

    Example:
        >>> encoder = SmpFlexResNet({"depth": 18}, depth=3)
        >>> encoder.out_channels
        [3, 64, 64, 128]
    """

    net: FlexResNet

    def __init__(self, options: dict[str, Any], depth: int = 5, output_stride: int = 32) -> None:
        super().__init__()
        for name in ("num_stages", "out_indices", "output_stride"):
            if name in options:
                raise InputError(f"{name}: follows from the model's encoder_depth; leave it out")
        self._depth = check_int("encoder_depth", depth, 1, 5)
        self._output_stride = check_choice("encoder_output_stride", output_stride, [8, 16, 32])
        self._options = {"norm_eval": False, **options}
        self._build()

    @traced
    def forward(self, x: Tensor) -> list[Tensor]:
        maps = self.net.forward_intermediates(
            x, range(self._depth), stop_early=True, intermediates_only=True
        )
        return [x, *maps]

    @property
    def output_stride(self) -> int:
        """Stride of the last feature map."""
        return self.net.plan.feature_info.info[self._depth - 1]["reduction"]

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Make the network one for images of another number of channels.

        Args:
            in_channels: of the image.
            pretrained: whether the first convolution's weights are kept, as ``load_weights`` with
                ``adapt='in_channels'`` does, or initialised at random.
        """
        if in_channels != self._in_channels:
            self._options["in_channels"] = in_channels
            self._build_again(pretrained)

    def make_dilated(self, output_stride: int) -> None:
        """Dilate the stages behind ``output_stride``, 8 or 16; weights stay.

        Raises:
            InputError: spatially separable convolutions would take the place of strided ones.
        """
        before = self._output_stride
        self._output_stride = check_choice("output_stride", output_stride, [8, 16])
        try:
            self._build_again(True)
        except InputError:
            self._output_stride = before
            raise

    def get_stages(self) -> dict[int, list[nn.Module]]:
        """The stages that ``make_dilated`` may change, by their stride."""
        return {16 * 2**index: [stage] for index, stage in enumerate(self.net.stages[2:])}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load a state dict of this encoder, or one of the ResNet of smp or torchvision."""
        if not any(name.startswith("net.") for name in state_dict):
            stages = {"layer1", "layer2", "layer3", "layer4"} - set(self.net.res_layers)
            state_dict = {
                f"net.{name}": one
                for name, one in state_dict.items()
                if name.partition(".")[0] not in {"fc", *stages}
            }
        return super().load_state_dict(state_dict, strict, assign)

    def __prepare_scriptable__(self) -> nn.Module:
        return scriptable(self)  # torch.jit.script asks for it

    def _build(self) -> None:
        options = first_stages(self._options, max(1, self._depth - 1))
        if self._output_stride < 2**self._depth and self._output_stride < 32:
            options["output_stride"] = self._output_stride
        self.net = FlexResNet(**options)
        if self._depth == 1:
            for behind in (self.net.stem_layers[-1], self.net.stages[0]):
                behind.requires_grad_(False)  # it is not run
        self._in_channels = self.net.plan.stem.in_channels
        self._out_channels = [self._in_channels]
        self._out_channels += [entry["num_chs"] for entry in self.net.plan.feature_info.info]

    def _build_again(self, keep_first: bool) -> None:
        before = self.net
        self._build()
        if self.net.state_dict().keys() != before.state_dict().keys():
            self.net = before
            raise InputError(
                f"output_stride={self._output_stride}: with these options a convolution has other "
                "weights where it does not downsample; give encoder_output_stride to the model"
            )
        self.net.to(next(before.parameters()))
        state, _ = adapt_tensors(before.state_dict(), self.net, ["in_channels"])
        if not keep_first:
            state |= {name: self.net.state_dict()[name] for name in FIRST_CONVS if name in state}
        self.net.load_state_dict(state)
        for new, old in zip(self.net.parameters(), before.parameters(), strict=True):
            new.requires_grad_(old.requires_grad)
        self.net.train(before.training)


def register(name: str, **options: Any) -> None:
    """Make ``smp.create_model(..., encoder_name=name)`` build a ``FlexResNet`` with these options.

    Raises:
        ValueError, TypeError: as for ``FlexResNet``; smp has an encoder of this name.

    Example:
        >>> import segmentation_models_pytorch as smp
        >>> register("narrow", depth=18, width=0.25, deep_stem=True)
        >>> smp.Unet("narrow", encoder_weights=None, in_channels=4).encoder.out_channels
        [4, 16, 16, 32, 64, 128]
    """
    taken = name in encoders and encoders[name]["encoder"] is not SmpFlexResNet
    if taken or name.startswith(("tu-", "timm-")):
        raise InputError(f"{name}: smp has an encoder of this name; choose another")
    SmpFlexResNet(options)  # refuses a wrong option here
    encoders[name] = {
        "encoder": SmpFlexResNet,
        "pretrained_settings": {},
        "params": {"options": options},
    }


for _depth in (18, 34, 50, 101, 152):
    encoders[f"flexresnet{_depth}"] = {
        "encoder": SmpFlexResNet,
        "pretrained_settings": encoders[f"resnet{_depth}"]["pretrained_settings"],
        "params": {"options": {"depth": _depth}},
    }
