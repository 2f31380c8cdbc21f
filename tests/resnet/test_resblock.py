"""ResBlock against the post's print and against formulas written out with torch's functions."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from resblock_backbones import ConvNxN, ResBlock, SpatialSeparableConvNxN

PRINTED_IN_THE_POST = """\
ResBlock(
  (conv1): Conv2d(64, 128, kernel_size=(3, 3), stride=(2, 2), padding=(2, 2), dilation=(2, 2))
  (bn1): BatchNorm2d(128, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  (relu_inplace): ReLU(inplace=True)
  (conv2): Conv2d(128, 128, kernel_size=(3, 3), stride=(1, 1), padding=(2, 2), dilation=(2, 2))
  (bn2): BatchNorm2d(128, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  (residual): Sequential(
    (0): Conv2d(64, 128, kernel_size=(1, 1), stride=(2, 2), dilation=(2, 2))
    (1): BatchNorm2d(128, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  )
)"""


def test_the_example_of_the_post_prints_as_in_the_post():
    block = ResBlock(inplanes=64, outplanes=128, kernel_size=3, stride=2, residual=True, dilation=2)
    block.eval()
    assert repr(block) == PRINTED_IN_THE_POST


def test_the_twelve_parameters_have_the_post_s_names_order_and_defaults():
    block = ResBlock(8, 8, 3, 1, True, True, False, 1, False, "maxpool", 0.3, True)
    assert isinstance(block.residual, torch.nn.MaxPool2d)
    assert block.bn1.momentum == block.bn2.momentum == 0.3
    assert block.skip_last_relu
    plain = ResBlock(4, 6)
    assert plain.residual is None and not plain.skip_last_relu
    assert plain.bn1.momentum == 0.1 and plain.conv1.bias is not None


def _conv(state, name, x, kernel, stride, padding, dilation, groups):
    pad = [dilation * (side // 2) if padding else 0 for side in kernel]
    weight = state[f"{name}.weight"]
    assert weight.shape[2:] == kernel
    return F.conv2d(x, weight, state[f"{name}.bias"], stride, pad, dilation, groups)


def _norm(state, name, x):
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    scale = state[f"{name}.weight"] / torch.sqrt(var + 1e-5)
    return (x - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][:, None, None]


def _reference(state, x, options):
    """The block's output by the post's description, from the state dict alone."""
    side, dilation, padding = options["kernel_size"], options["dilation"], options["padding"]
    stride, inplanes, planes = options["stride"], options["inplanes"], options["outplanes"]
    square = (side, side)
    groups1, groups2 = (inplanes, planes) if options["depthwise"] else (1, 1)
    out = _conv(state, "conv1", x, square, stride, padding, dilation, groups1)
    out = _norm(state, "bn1", out).clamp(min=0)
    if options["spatial_separable"]:
        out = _conv(state, "conv2.0", out, (side, 1), 1, padding, dilation, groups2)
        out = _conv(state, "conv2.1", out, (1, side), 1, padding, dilation, groups2)
    else:
        out = _conv(state, "conv2", out, square, 1, padding, dilation, groups2)
    out = _norm(state, "bn2", out)
    pooling = options["pool_on_residual_downsample"]
    if options["residual"] == "identity":
        out = out + x
    elif options["residual"] and pooling == "maxpool":
        out = out + F.max_pool2d(x, side, stride, side // 2)
    elif options["residual"] and pooling == "averagepool":
        out = out + F.avg_pool2d(x, side, stride, side // 2)
    elif options["residual"]:
        projected = F.conv2d(x, state["residual.0.weight"], state["residual.0.bias"], stride)
        out = out + _norm(state, "residual.1", projected)
    return out if options["skip_last_relu"] else out.clamp(min=0)


def _is_refused(options):
    """What DESIGN says cannot work."""
    side, residual = options["kernel_size"], options["residual"]
    pooling = options["pool_on_residual_downsample"]
    channels_differ = options["inplanes"] != options["outplanes"]
    return (
        (options["depthwise"] and options["outplanes"] % options["inplanes"] != 0)
        or (residual and side % 2 == 0)
        or (residual and side > 1 and not options["padding"])
        or (residual is True and pooling and channels_differ)
        or (residual == "identity" and (channels_differ or options["stride"] > 1 or pooling))
    )


GRID = {
    "inplanes": [4, 6],
    "outplanes": [4, 8],
    "stride": [1, 2],
    "padding": [True, False],
    "residual": [False, True, "identity"],
    "spatial_separable": [False, True],
    "dilation": [1, 2],
    "depthwise": [False, True],
    "pool_on_residual_downsample": [False, "maxpool", "averagepool"],
    "bn_momentum": [0.1],
    "skip_last_relu": [False, True],
}


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
def test_every_set_of_the_twelve_options_computes_the_formula_or_is_refused(kernel_size):
    generator = torch.Generator().manual_seed(kernel_size)
    computed = refused = 0
    for values in itertools.product(*GRID.values()):
        options = dict(zip(GRID, values, strict=True), kernel_size=kernel_size)
        if _is_refused(options):
            with pytest.raises(ValueError, match="depthwise|kernel_size|padding|pool_on|residual"):
                ResBlock(**options)
            refused += 1
            continue
        block = ResBlock(**options).double().eval()
        state = block.state_dict()
        for name, tensor in state.items():
            if tensor.is_floating_point():
                low, high = (0.5, 1.5) if name.endswith(("var", "bn1.weight")) else (-0.5, 0.5)
                tensor.uniform_(low, high, generator=generator)
        rows = 11 if options["padding"] else 27
        x = torch.randn(1, options["inplanes"], rows, 26, dtype=torch.float64, generator=generator)
        with torch.no_grad():
            difference = (block(x) - _reference(state, x, options)).abs().max()
        assert difference < 1e-12, options
        computed += 1
    assert computed > 100 and computed + refused == len(list(itertools.product(*GRID.values())))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kernel_size": 0}, ValueError, "kernel_size=0"),
        ({"kernel_size": 3.0}, TypeError, "kernel_size=3.0"),
        ({"stride": 0}, ValueError, "stride=0"),
        ({"dilation": -1}, ValueError, "dilation=-1"),
        ({"inplanes": 0}, ValueError, "inplanes=0"),
        ({"padding": 1}, TypeError, "padding=1"),
        ({"residual": "project"}, ValueError, "did you mean 'projection'"),
        ({"pool_on_residual_downsample": "meanpool"}, ValueError, "'maxpool', 'averagepool'"),
        ({"pool_on_residual_downsample": True}, ValueError, "pool_on_residual_downsample=True"),
        ({"residual": True, "kernel_size": 4}, ValueError, "kernel_size=4.*give an odd one"),
        ({"residual": True, "padding": False}, ValueError, "padding=False.*padding=True"),
        ({"dialtion": 2}, TypeError, "no option 'dialtion'; did you mean 'dilation'"),
        ({"groups": 3}, ValueError, "groups=3: does not divide"),
        ({"depthwise": True, "groups": 2}, ValueError, "groups=2.*depthwise"),
        ({"norm_cfg": {"type": "BM"}}, ValueError, "norm_cfg: no layer is called 'BM'"),
        ({"norm_cfg": {"type": "GN", "num_groups": 5}}, ValueError, "norm_cfg: GroupNorm"),
        ({"act_cfg": "Relu"}, ValueError, "did you mean 'ReLU'"),
        ({"attention": "SEE"}, ValueError, "attention: no layer"),
        ({"drop_path": 1.5}, ValueError, "drop_path=1.5"),
    ],
)
def test_what_cannot_work_is_refused_with_the_option_s_name(options, error, message):
    with pytest.raises(error, match=message):
        ResBlock(**{"inplanes": 8, "outplanes": 16, **options})


def test_the_convolutions_work_by_themselves_as_the_post_calls_them():
    x = torch.zeros(1, 4, 9, 9)
    assert ConvNxN(inplanes=4, outplanes=6, kernel_size=1, stride=2)(x).shape == (1, 6, 5, 5)
    separable = SpatialSeparableConvNxN(planes=4, kernel_size=5, dilation=2, depthwise=True)
    assert separable(x).shape == x.shape
    assert [conv.groups for conv in separable] == [4, 4]
    assert SpatialSeparableConvNxN(4, 3, padding=False)(x).shape == (1, 4, 7, 7)
