"""What is known about a network beside its weights, and who says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlparse

from torch import Tensor

from ..dialects import Dialect

Style = Literal["pytorch", "caffe"]
Order = Literal["RGB", "BGR"]

#: Converters that sign what they write, as torchvision's networks are: they leave the 3x3
#: convolution to downsample, and RGB images.
RGB_AUTHORS = ("torchvision", "MOCO")
ZOO = "Detectron2 Model Zoo"
#: Words in documented names of weights that downsample in the first convolution, for BGR images.
CAFFE_WORDS = {"caffe", "msra"}
HABIT = "most networks"


@dataclass(frozen=True)
class Claims:
    """What a checkpoint's network is, as far as its tensors' shapes do not show it.

    Attributes:
        style: where its bottlenecks downsample; None where nothing tells, and it matters.
        source: who says so.
        is_guess: the source is no statement about these weights, but a habit or a name.
        channel_order: of the images that the weights expect.
        order_source: who says that.
        options: others of ``FlexResNet``, that all networks of the family have.
    """

    style: Style | None
    source: str
    is_guess: bool
    channel_order: Order
    options: Mapping[str, Any]
    order_source: str = ""

    @property
    def is_habit(self) -> bool:
        """Whether the style is what most networks of the family have: no word against another."""
        return self.is_guess and self.source.startswith(HABIT)


def read_claims(
    dialect: Dialect, content: Mapping[Any, Any], name: str, tensors: Mapping[str, Tensor]
) -> Claims:
    """The claims of a checkpoint, the surest source first.

    Args:
        dialect: the family of its names.
        content: the whole of it, signatures included.
        name: of the source: a path, a URL, a name with a scheme.
        tensors: of the backbone, by ``FlexResNet``'s names.
    """
    style, source, is_guess = _style(dialect, content, name, tensors)
    order: Order = dialect.channel_order
    order_source = f"the default of {dialect.name}'s names"
    if dialect.name == "detectron2":
        signed = content.get("__author__") in RGB_AUTHORS
        # What was trained from torchvision's weights sees RGB; Detectron2's default is BGR.
        order = "BGR" if style != "pytorch" or (is_grouped(tensors) and not signed) else "RGB"
    elif style == "caffe" and source.startswith("its name"):
        order, order_source = "BGR", source
    return Claims(style, source, is_guess, order, dialect.options, order_source)


def is_grouped(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the bottlenecks' middle convolutions have groups, as ResNeXt's."""
    first, middle = (tensors.get(f"layer1.0.conv{number}.weight") for number in (1, 2))
    if first is None or middle is None or first.ndim != 4 or middle.ndim != 4:
        return False
    return "layer1.0.conv3.weight" in tensors and first.shape[0] != middle.shape[1]


def _style(
    dialect: Dialect, content: Mapping[Any, Any], name: str, tensors: Mapping[str, Tensor]
) -> tuple[Style | None, str, bool]:
    if not any(key.endswith(".conv3.weight") for key in tensors):
        return "pytorch", "it has no bottlenecks", False
    said = content.get("style")
    if said in ("pytorch", "caffe"):
        return said, "its own 'style'", False
    author = content.get("__author__")
    if author in RGB_AUTHORS:
        return "pytorch", f"its signature '{author}'", False
    configured = _style_of_config(content)
    if configured is not None:
        return configured, "the config in it", False
    if is_grouped(tensors):
        return "pytorch", "its groups, which no network of the other style has", False
    word = CAFFE_WORDS & set(_words_of(name))
    if word:
        return "caffe", f"its name, which holds '{word.pop()}'", True
    if dialect.name == "detectron2" and author == ZOO and "stem.0.weight" not in tensors:
        return "caffe", f"'{ZOO}', most of whose networks do so", True
    if dialect.style is None:
        return None, "", True
    is_habit = dialect.name in ("flex", "mmdet", "mmpretrain") or _is_mmengine(content)
    return dialect.style, f"{HABIT} with {dialect.name}'s names", is_habit


def _style_of_config(content: Mapping[Any, Any]) -> Style | None:
    """The ``style`` that a training tool's config in the checkpoint says, if it says one."""
    meta, hub = content.get("meta"), content.get("message_hub")
    texts = [meta.get("cfg"), meta.get("config")] if isinstance(meta, Mapping) else []
    info = hub.get("runtime_info") if isinstance(hub, Mapping) else None
    if isinstance(info, Mapping):
        texts.append(info.get("cfg"))
    found = {
        style
        for text in texts
        if isinstance(text, str)
        for style in re.findall(r"\bstyle['\"]?\s*[=:]\s*['\"](caffe|pytorch)['\"]", text)
    }
    if len(found) != 1:
        return None
    return "caffe" if "caffe" in found else "pytorch"


def _is_mmengine(content: Mapping[Any, Any]) -> bool:
    meta = content.get("meta")
    return isinstance(meta, Mapping) and any(
        key in meta for key in ("mmengine_version", "mmcv_version", "mmdet_version", "CLASSES")
    )


def _words_of(name: str) -> list[str]:
    """The words of a file's name; of a store's name or a URL those of its folders too.

    >>> _words_of("/data/caffe/resnet50_msra-5891d200.pth")
    ['resnet50', 'msra', '5891d200', 'pth']
    >>> _words_of("open-mmlab://detectron2/resnet50_caffe")[:2]
    ['detectron2', 'resnet50']
    """
    if "://" in name:
        parsed = urlparse(name)
        text = f"{parsed.path}" if parsed.scheme in ("http", "https") else name.split("://")[1]
    else:
        folder, _, text = name.replace("\\", "/").rpartition("/")
        # Detectron2's store keeps MSRA's weights in a folder of that name.
        text = f"MSRA/{text}" if folder.rpartition("/")[2] == "MSRA" else text
    return [word for word in re.split(r"[^0-9a-z]+", text.lower()) if word]
