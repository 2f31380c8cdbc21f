"""Every architecture of timm's resnet module, from its weights, gives timm's features."""

import pytest
import torch

timm = pytest.importorskip("timm")

from resblock_backbones import FlexResNet  # noqa: E402
from resblock_backbones.weights.backbone import find_backbone  # noqa: E402
from resblock_backbones.weights.inferring.options import infer_options  # noqa: E402
from resblock_backbones.weights.reading import timm_source  # noqa: E402

#: What weights do not show, and timm's name does.
UNSEEN = {"anti_alias", "stem_pool"}


@pytest.mark.parametrize("name", timm.list_models(module="resnet"))
def test_timm_s_features(name, monkeypatch, random_network, image, tally):
    tally("timm's features", 0, 1)
    original = random_network(lambda: timm.create_model(name))
    state = original.state_dict()
    # In place of a download.
    monkeypatch.setattr(timm_source, "_describe", lambda _: (name, {}, {}))
    monkeypatch.setattr(timm_source, "_load", lambda *_: state)
    net = FlexResNet.from_checkpoint(f"timm://{name}").eval()
    assert len(net.stages) == 4
    with torch.no_grad():
        expected = original.forward_intermediates(image, intermediates_only=True)[1:]
        for ours, theirs in zip(net(image), expected, strict=True):
            assert 0.1 < theirs.abs().max() < 1e3
            assert (ours - theirs).abs().max() < 1e-9

    shapes = {key: tensor.shape for key, tensor in find_backbone(state, name).tensors.items()}
    told = timm_source.architecture_options(name)
    unseen = {key: told[key] for key in told if infer_options(shapes, name).get(key) != told[key]}
    assert set(unseen) <= UNSEEN
    assert bool(unseen) == ("blur" in name or "aa" in name)
    tally("timm's features", 1, 0)
