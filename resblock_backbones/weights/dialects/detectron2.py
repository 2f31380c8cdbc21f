"""Names of Detectron2, and of the Caffe2 files (MSRA's weights) that it is initialised with."""

from __future__ import annotations

import re

from .dialect import Dialect
from .rules import Rule


def _stem(number: int, conv: str, norm: str) -> tuple[Rule, ...]:
    return (
        Rule(f"stem.conv{number}.norm.{{param}}", f"{norm}.{{param}}"),
        Rule(f"stem.conv{number}.weight", f"{conv}.weight"),
    )


DETECTRON2 = Dialect(
    name="detectron2",
    landmark=r"res2\.\d+\.conv[1-3]\.weight",
    claims=lambda names: True,
    part=r"(?:stem|res\d)\.",
    plain_stem=_stem(1, "conv1", "bn1"),
    # Its DeepLab stem.
    deep_stem=(
        *_stem(1, "stem.0", "stem.1"),
        *_stem(2, "stem.3", "stem.4"),
        *_stem(3, "stem.6", "stem.7"),
    ),
    rules=(
        Rule("res{res}.{block}.conv{conv}.norm.{param}", "layer{stage}.{block}.bn{conv}.{param}"),
        Rule("res{res}.{block}.conv{conv}.weight", "layer{stage}.{block}.conv{conv}.weight"),
        Rule(
            "res{res}.{block}.conv2_offset.{param}",
            "layer{stage}.{block}.conv2.conv_offset.{param}",
        ),
        Rule("res{res}.{block}.shortcut.norm.{param}", "layer{stage}.{block}.residual.1.{param}"),
        Rule("res{res}.{block}.shortcut.weight", "layer{stage}.{block}.residual.0.weight"),
        Rule("res{res}.{block}.{rest}", "layer{stage}.{block}.{rest}", reads_only=True),
        Rule("linear.{param}", "fc.{param}"),
        # Its converter of torchvision's weights does not rename the classifier.
        Rule("stem.fc.{param}", "fc.{param}", reads_only=True),
    ),
    deep_stem_mark="stem.conv2.weight",
    # The bias in front of a norm that MSRA's files hold and Detectron2 does not use; and layers of
    # contrastive learning, which its converter takes for the stem's.
    left_out=re.compile(r"stem\.conv1\.bias|stem\.fc\.\d+\..*"),
    # MSRA's weights, its default, downsample in the first; torchvision's in the 3x3 convolution.
    style=None,
    channel_order="BGR",
)

CAFFE2 = Dialect(
    name="caffe2",
    landmark=r"res2_\d+_branch2[abc]_w",
    claims=lambda names: True,
    part=r"(?:(?:res_)?conv1_|res\d_\d+_branch)",
    has_siblings=False,  # all of a detector's names stand side by side
    plain_stem=(
        Rule("conv1_w", "conv1.weight"),
        Rule("res_conv1_{norm}_{affine}", "bn1.{param}"),
        Rule("conv1_{norm}_{affine}", "bn1.{param}", reads_only=True),
    ),
    deep_stem=(),
    rules=(
        Rule("res{res}_{block}_branch2{abc}_w", "layer{stage}.{block}.conv{conv}.weight"),
        Rule(
            "res{res}_{block}_branch2{abc}_{norm}_{affine}",
            "layer{stage}.{block}.bn{conv}.{param}",
        ),
        Rule("res{res}_{block}_branch1_w", "layer{stage}.{block}.residual.0.weight"),
        Rule("res{res}_{block}_branch1_{norm}_{affine}", "layer{stage}.{block}.residual.1.{param}"),
        Rule("fc1000_{wb}", "fc.{param}"),
        Rule("pred_{wb}", "fc.{param}", reads_only=True),
    ),
    deep_stem_mark="",
    left_out=re.compile(r"conv1_b|.*_momentum"),
    style="caffe",
    channel_order="BGR",
    folded_norms=True,
)
