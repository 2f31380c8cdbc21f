"""Batches that a norm cannot take are found in the loader and the model, before PyTorch does."""

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader

mmseg = pytest.importorskip("mmseg")

from mmengine.dataset import DefaultSampler, InfiniteSampler  # noqa: E402
from mmseg.models.decode_heads import ASPPHead, PSPHead, UPerHead  # noqa: E402

from resblock_backbones.openmmlab.training.setup.batches import (  # noqa: E402
    batch_of_one,
    check_batches,
    norms_of_one_pixel,
)
from resblock_backbones.options.errors import ConfigError  # noqa: E402

HEAD = {"in_channels": 4, "channels": 4, "num_classes": 2, "norm_cfg": {"type": "BN"}}
MANY = {**HEAD, "in_channels": [4, 4], "in_index": [0, 1]}
HEADS = {
    "aspp": (lambda: ASPPHead(dilations=(1, 2), **HEAD), lambda x: [x]),
    "psp": (lambda: PSPHead(**HEAD | {"in_index": 0}), lambda x: [x]),
    "uper": (lambda: UPerHead(**MANY), lambda x: [x, x]),
}
HEADS["torchvision"] = (
    lambda: torchvision.models.segmentation.deeplabv3.DeepLabHead(4, 2),
    lambda x: x,
)


@pytest.mark.parametrize("name", HEADS)
def test_a_norm_of_one_pixel_is_found_where_pytorch_refuses_it_and_nowhere_else(name):
    build, inputs = HEADS[name]
    head = build().train()
    if name == "aspp":
        head.in_index = 0
    one = inputs(torch.randn(1, 4, 8, 8))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        head(one)
    found = list(norms_of_one_pixel(head))
    assert found
    for norm in found:
        head.get_submodule(norm).eval()
    head(one)
    assert not list(norms_of_one_pixel(head))


def test_a_backbone_has_no_such_norm():
    assert not list(norms_of_one_pixel(torchvision.models.resnet18(weights=None).train()))


@pytest.mark.parametrize(
    ("count", "size", "told"),
    [(9, 4, "last batch.*9 in batches of 4"), (8, 4, ""), (4, 1, "all batches"), (1, 2, "last")],
)
def test_a_batch_of_one_is_found(count, size, told):
    import re

    data = range(count)
    loader = DataLoader(data, batch_size=size, sampler=DefaultSampler(data))
    found = batch_of_one(loader)
    assert re.search(told, found) if told else not found
    endless = DataLoader(data, batch_size=size, sampler=InfiniteSampler(data))
    assert bool(batch_of_one(endless)) == (size == 1)
    dropping = DataLoader(data, batch_size=size, sampler=DefaultSampler(data), drop_last=True)
    assert bool(batch_of_one(dropping)) == (size == 1)


def test_both_together_are_refused_with_both_ways_out():
    model = nn.ModuleDict({"decode_head": HEADS["aspp"][0]()}).train()
    with pytest.raises(ConfigError, match=r"decode_head\.image_pool.*batch_size to 2.*drop_last"):
        check_batches(DataLoader(range(9), batch_size=4), model)
    with pytest.raises(ConfigError, match="all batches have 1 image.*2 or more$"):
        check_batches(DataLoader(range(9), batch_size=1), model)
    check_batches(DataLoader(range(8), batch_size=4), model)
    check_batches(DataLoader(range(9), batch_size=4), model.eval())
