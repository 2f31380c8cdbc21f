"""Conversion of a checkpoint to another family's names, with bit-equal tensors."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files.whole import whole_file
from ..options.checks import check_choice
from .backbone import Backbone, open_backbone
from .dialects import DIALECTS, Dialect
from .errors import CheckpointError

FAMILIES = {dialect.name: dialect for dialect in DIALECTS}
#: What is in a block, and neither a layer of a ResNet's nor attention nor one of MMCV's plugins.
ODD_PART = re.compile(r"layer\d+\.\d+\.(?!(?:conv\d|bn\d|residual|se|\w*_block\w*)\.)")
SUFFIXES = (".pth", ".pt", ".safetensors", ".pkl")


@dataclass(frozen=True)
class Conversion:
    """Result of a conversion.

    Attributes:
        from_family, to_family: names of the families.
        tensors: number of written tensors.
        left_out: names in the source that belong to neither backbone nor classifier.
        notes: what the names do not express, a sentence each.
    """

    from_family: str
    to_family: str
    tensors: int
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{self.tensors} tensors from {self.from_family}'s names to {self.to_family}'s"
        if self.left_out:
            more = ", ..." if len(self.left_out) > 3 else ""
            text += f"; {len(self.left_out)} left out ({', '.join(self.left_out[:3])}{more})"
        return text


def convert_checkpoint(
    source: str | Path,
    target: str | Path,
    to: str,
    *,
    prefix: str | None = None,
    replace: bool = False,
) -> Conversion:
    """Write a checkpoint's backbone and classifier under another family's names.

    Args:
        source: as in ``load_weights``.
        target: the file to write: ``.pth``, ``.pt``, ``.safetensors``, or ``.pkl`` for Detectron2
            and Caffe2. It is written atomically.
        to: ``'torchvision'``, ``'timm'``, ``'mmdet'``, ``'mmpretrain'``, ``'detectron2'``,
            ``'transformers'``, ``'flex'`` or another of ``FAMILIES``.
        prefix: of the backbone's names in the source; None looks for it.
        replace: whether an existing file may be replaced.

    Raises:
        CheckpointError: the source cannot be read, or the family has no name for a tensor.
        ValueError: an unknown family or file format, or the target exists.

    Example:
        >>> import tempfile
        >>> from resblock_backbones import FlexResNet
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save(FlexResNet(18).state_dict(), f"{folder}/a.pth")
        ...     print(convert_checkpoint(f"{folder}/a.pth", f"{folder}/b.safetensors", "timm"))
        120 tensors from flex's names to timm's
    """
    family = FAMILIES[check_choice("to", to, list(FAMILIES))]
    target = Path(target).expanduser()
    _check_target(target, family, replace)
    opened, backbone = open_backbone(source, prefix)
    backbone.refuse_strange(opened.name)
    odd = [key for key in backbone.tensors if ODD_PART.match(key)]
    if odd:
        raise CheckpointError(
            f"{opened.name}: is not a ResNet that FlexResNet can be: its blocks hold "
            f"{odd[0]}, which no family has a name for"
        )
    tensors = rename_to(backbone, family, opened.name)
    claims = backbone.claims
    _write(target, tensors, family, None if claims.is_guess else claims.style)
    return Conversion(
        from_family=backbone.dialect.name,
        to_family=to,
        tensors=len(tensors),
        left_out=backbone.others,
        notes=tuple(_notes(backbone, family)),
    )


def rename_to(backbone: Backbone, family: Dialect, name: str) -> dict[str, Tensor]:
    """Rename tensors to a family's names.

    Raises:
        CheckpointError: the family has no name for one of them.
    """
    tensors, unknown = family.to_theirs(backbone.tensors | backbone.classifier)
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise CheckpointError(f"{name}: {family.name} has no name for {unknown[0]}{more}")
    if family.written_prefix:
        return {
            key if key.startswith(family.head or "\0") else family.written_prefix + key: tensor
            for key, tensor in tensors.items()
        }
    return tensors


def _check_target(target: Path, family: Dialect, replace: bool) -> None:
    if target.suffix not in SUFFIXES:
        raise ValueError(f"{target}: its name must end with {', '.join(SUFFIXES)}")
    if target.suffix == ".pkl" and family.name not in ("detectron2", "caffe2"):
        raise ValueError(f"{target}: {family.name} reads no .pkl; write .pth or .safetensors")
    if target.is_dir():
        raise ValueError(f"{target}: is a folder")
    if target.exists() and not replace:
        raise ValueError(f"{target}: already exists; give another name, or let it be replaced")


def _write(target: Path, tensors: Mapping[str, Tensor], family: Dialect, style: str | None) -> None:
    content: Any = dict(tensors)
    if target.suffix == ".safetensors":
        from safetensors.torch import save

        data = save({key: tensor.contiguous() for key, tensor in tensors.items()}, {"format": "pt"})
        with whole_file(target) as opened:
            opened.write(data)
        return
    if target.suffix == ".pkl":
        content = {key: tensor.numpy() for key, tensor in tensors.items()}
    if family.name == "detectron2":
        # Detectron2's checkpointer then matches names by their ends, after any prefix.
        content = {
            "model": content,
            "__author__": "resblock_backbones",
            "matching_heuristics": True,
            **({} if style is None else {"style": style}),
        }
    with whole_file(target) as opened:
        if target.suffix == ".pkl":
            pickle.dump(content, opened, protocol=4)
        else:
            torch.save(content, opened)


def _notes(backbone: Backbone, family: Dialect) -> list[str]:
    notes = []
    if any(".conv3." in key for key in backbone.tensors) and backbone.style == "caffe":
        if family.name in ("torchvision", "timm"):
            notes.append(
                f"{family.name} downsamples in the 3x3 convolution, the network that these weights "
                "are of in the first: same tensors, other features"
            )
        elif family.name != "caffe2":
            notes.append(
                "bottlenecks downsample in their first convolution: build with caffe style"
            )
    if backbone.claims.channel_order != family.channel_order:
        notes.append(f"the weights expect {backbone.claims.channel_order} images, as before")
    return notes
