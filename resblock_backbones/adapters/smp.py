"""FlexResNet among the encoders of segmentation_models.pytorch, after this import."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..options.checks import check_choice, check_int
from ..options.errors import InputError
from ..resnet.network import FlexResNet
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
        depth: how many feature maps beside the image, 1 to 5.
        output_stride: 8, 16 or 32: the last stages are dilated from there on.

    Attributes:
        net: the ``FlexResNet``.

    Shape:
        ``(N, C, H, W)`` to a list of ``depth + 1`` tensors, the first of which is the input.

    Raises:
        ValueError, TypeError: as of ``FlexResNet``.

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

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = self.net.forward_intermediates(
            x, range(self._depth), stop_early=True, intermediates_only=True
        )
        return [x, *maps]

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Build the network for images of another number of channels."""
        if in_channels != self._in_channels:
            self._options["in_channels"] = in_channels
            self._build()

    def make_dilated(self, output_stride: int) -> None:
        """Dilate the stages behind ``output_stride``, 8 or 16; weights stay."""
        self._output_stride = check_choice("output_stride", output_stride, [8, 16])
        before, like = self.net.state_dict(), next(self.net.parameters())
        self._build()
        self.net.to(like).load_state_dict(before)
        self.net.train(self.training)

    def get_stages(self) -> dict[int, list[nn.Module]]:
        """The stages that ``make_dilated`` may change, by their stride."""
        return {2 ** (index + 2): [stage] for index, stage in enumerate(self.net.stages)}

    def _build(self) -> None:
        options = {**self._options, "num_stages": max(1, self._depth - 1)}
        if self._output_stride < 2**self._depth and self._output_stride < 32:
            options["output_stride"] = self._output_stride
        self.net = FlexResNet(**options)
        if self._depth == 1:
            self.net.stages[0].requires_grad_(False)  # it is not run
        self._in_channels = self.net.plan.stem.in_channels
        self._out_channels = [self._in_channels]
        self._out_channels += [entry["num_chs"] for entry in self.net.plan.feature_info.info]


def register(name: str, **options: Any) -> None:
    """Make ``smp.create_model(..., encoder_name=name)`` build a ``FlexResNet`` with these options.

    Raises:
        ValueError, TypeError: as of ``FlexResNet``.

    Example:
        >>> import segmentation_models_pytorch as smp
        >>> register("narrow", depth=18, width=0.25, deep_stem=True)
        >>> smp.Unet("narrow", encoder_weights=None, in_channels=4).encoder.out_channels
        [4, 16, 16, 32, 64, 128]
    """
    SmpFlexResNet(options)  # refuses a wrong option here
    encoders[name] = {
        "encoder": SmpFlexResNet,
        "pretrained_settings": {},
        "params": {"options": options},
    }


for _depth in (18, 34, 50, 101, 152):
    encoders[f"flexresnet{_depth}"] = {
        "encoder": SmpFlexResNet,
        "pretrained_settings": {},
        "params": {"options": {"depth": _depth}},
    }
