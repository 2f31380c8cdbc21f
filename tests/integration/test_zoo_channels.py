"""Necks and heads follow the backbone in every folder of both zoos."""

import pytest
import torch
from mmengine.config import ConfigDict
from zoo import (
    PACKAGES,
    build,
    first_with_a_resnet,
    folders,
    shapes_alone,
    small,
    with_flexresnet,
)

from resblock_backbones.openmmlab.models.channels import link_channels
from resblock_backbones.options.errors import ConfigError

PARTS = 6


def builds(model, package):
    """The model on the meta device, or None where it wants what is not here."""
    try:
        with shapes_alone():
            return build(model, package)
    except Exception:  # another package, a download, a process group
        return None


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("package", PACKAGES)
def test_half_width_fits_every_kind_of_neck_and_head(package, part, tally):
    followed, failures = 0, []
    for folder in folders(package)[part::PARTS]:
        path, model = first_with_a_resnet(package, folder) or (folder.name, None)
        model = model and small(model)
        if model is None or builds(model, package) is None:
            continue
        try:
            assert link_channels(ConfigDict(with_flexresnet(model))) == []
            half = ConfigDict(with_flexresnet(model, width=0.5))
            assert link_channels(half), "nothing follows"
            assert link_channels(half) == []
            net = builds(half, package)
            assert net is not None, "does not build"
            kinds = " ".join(type(module).__name__ for module in net.modules())
            on_meta = not any(operator in kinds for operator in ("Deform", "CARAFE"))
            if hasattr(net, "extract_feat") and on_meta:
                net.eval().extract_feat(torch.zeros(2, 3, 128, 128, device="meta"))
            followed += 1
        except ConfigError as error:  # a C4 head is a stage of a plain ResNet
            assert "its width is fixed" in str(error)
        except Exception as error:
            failures.append(f"{path}: {type(error).__name__}: {error}")
    tally("zoo folders whose necks and heads follow", followed, followed + len(failures))
    assert not failures, "\n".join(failures)
    assert followed > 1
