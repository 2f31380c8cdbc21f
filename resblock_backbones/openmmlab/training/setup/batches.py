"""Batches that a norm cannot take: one image, of which it sees a single pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.utils.data import DataLoader

from ....options.errors import ConfigError


def check_batches(loader: DataLoader, model: nn.Module) -> None:
    """Refuse to train with batches of one image where a norm needs more.

    Batch statistics of one value do not exist; PyTorch would say so when it meets the batch, often
    at the end of the first epoch.

    Args:
        loader: of the training data, of one process.
        model: in training mode.

    Raises:
        ConfigError: there is such a batch and such a norm.
    """
    batch = batch_of_one(loader)
    norm = next(norms_of_one_pixel(model), None) if batch else None
    if norm is not None:
        raise ConfigError(
            f"train_dataloader: {batch}, and model.{norm} normalises by the statistics of a batch, "
            "in which it then has one value: set batch_size to 2 or more"
            + ("" if batch.startswith("all") else " so that none is left over, or drop_last=True")
        )


def batch_of_one(loader: DataLoader) -> str:
    """Which batches of a loader hold one sample, in words; empty if none does.

    >>> batch_of_one(DataLoader(range(9), batch_size=4))
    'the last batch of an epoch has 1 image (9 in batches of 4)'
    >>> batch_of_one(DataLoader(range(9), batch_size=4, drop_last=True))
    ''
    """
    batches: Any = loader.batch_sampler
    size = getattr(batches, "batch_size", None)
    if size == 1:
        return "all batches have 1 image"
    sampler = getattr(batches, "sampler", None)
    try:
        count = len(sampler)  # type: ignore[arg-type]
    except TypeError:  # it never ends
        return ""
    endless = type(sampler).__name__ == "InfiniteSampler"
    if not size or getattr(batches, "drop_last", True) or endless or count % size != 1:
        return ""
    return f"the last batch of an epoch has 1 image ({count} in batches of {size})"


def norms_of_one_pixel(model: nn.Module) -> Iterator[str]:
    """Names of the batch norms in training mode that see maps of one pixel.

    These are those behind a pooling to one pixel, in the same `nn.Sequential`: the pooling branches
    of ASPP and PSP heads in MMSegmentation and torchvision.
    """
    for name, module in model.named_modules():
        if not isinstance(module, nn.Sequential):
            continue
        pooled = False
        for number, layer in module.named_children():
            if isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
                pooled = layer.output_size in (1, (1, 1))
            elif isinstance(layer, nn.Upsample):
                pooled = False
            elif pooled:
                for inner, norm in layer.named_modules():
                    if _has_batch_statistics(norm):
                        yield ".".join(part for part in (name, number, inner) if part)


def _has_batch_statistics(norm: nn.Module) -> bool:
    if isinstance(norm, nn.SyncBatchNorm):  # it has those of the other processes
        return False
    return isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.training
