"""A FlexResNet in the place of another backbone: what the base config leaves behind is told."""

import pytest

pytest.importorskip("mmdet")

from resblock_backbones.openmmlab.configs.read import read_config  # noqa: E402
from resblock_backbones.options.errors import ConfigError  # noqa: E402

# A base of the zoo, and what of its backbone FlexResNet does not have.
BASES = {
    "mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py": ["embed_dims", "num_heads", "depths"],
    "mmdet::resnest/faster-rcnn_s50_fpn_syncbn-backbone+head_ms-range-1x_coco.py": ["radix"],
    "mmdet::hrnet/faster-rcnn_hrnetv2p-w32-1x_coco.py": ["extra"],
    "mmdet::res2net/faster-rcnn_res2net-101_fpn_2x_coco.py": ["scales"],
    "mmdet::pvt/retinanet_pvt-t_fpn_1x_coco.py": ["num_layers"],
}


@pytest.fixture
def config(tmp_path):
    def write(base, model):
        file = tmp_path / "mine.py"
        file.write_text(
            f'_base_ = "{base}"\ncustom_imports = dict(imports=["resblock_backbones"])\n'
            f"model = {model}\n"
        )
        return str(file)

    return write


@pytest.mark.parametrize("base", BASES)
def test_the_keys_of_the_backbone_before_are_named_with_the_way_to_drop_them(config, base):
    with pytest.raises(ConfigError) as told:
        read_config(config(base, "dict(backbone=dict(type='FlexResNet', depth=50))"))
    assert "model.backbone: FlexResNet has no option" in str(told.value)
    assert "(from the base config: `_delete_=True` drops it)" in str(told.value)
    assert all(repr(name) in str(told.value) for name in BASES[base])


@pytest.mark.parametrize("base", BASES)
def test_with_delete_they_are_gone(config, base):
    model = "dict(backbone=dict(_delete_=True, type='FlexResNet', depth=50))"
    assert read_config(config(base, model)).model.backbone == {"type": "FlexResNet", "depth": 50}


def test_a_necks_keys_are_told_too(config):
    base = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
    with pytest.raises(ConfigError, match=r"model.neck: ChannelMapper has no .*'start_level'"):
        read_config(config(base, "dict(neck=dict(type='ChannelMapper'))"))


def test_what_the_file_itself_misspells_gets_the_nearest_name(config):
    from resblock_backbones.openmmlab.models.channels import link_channels

    base = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
    cfg = read_config(config(base, "dict(backbone=dict(type='FlexResNet', dpeth=34))"))
    with pytest.raises(ConfigError, match="did you mean 'depth'"):
        link_channels(cfg.model)
