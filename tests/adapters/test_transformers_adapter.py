"""FlexResNet as a backbone inside transformers' own models, with the plain network's values."""

import pytest
import torch
from option_sets import name_of, option_sets

from resblock_backbones import FlexResNet, load_weights

transformers = pytest.importorskip("transformers")
adapter = pytest.importorskip("resblock_backbones.adapters.transformers")
FlexResNetBackbone, FlexResNetConfig = adapter.FlexResNetBackbone, adapter.FlexResNetConfig

SETS = option_sets(20)
LABELS = [{"class_labels": torch.tensor([1]), "boxes": torch.tensor([[0.5, 0.5, 0.3, 0.3]])}] * 2
DETR = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "decoder_ffn_dim": 16}
DETR |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_queries": 5}
RT_DETR = {"d_model": 16, "encoder_hidden_dim": 16, "encoder_ffn_dim": 16, "num_labels": 3}
RT_DETR |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}
RT_DETR |= {"decoder_layers": 1, "num_queries": 10, "decoder_in_channels": [16] * 3}
RT_DETR |= {"num_denoising": 0}


def tiny(*out_indices, **options):
    return FlexResNetConfig(depth=18, base_channels=8, out_indices=list(out_indices), **options)


@pytest.mark.parametrize("options", SETS, ids=map(name_of, SETS))
def test_features_are_the_plain_networks(options):
    config = FlexResNetConfig(**options, out_indices=[0, 1, 3, 4])
    model = transformers.AutoBackbone.from_config(config).eval().double()
    plain = FlexResNet(**options).eval().double()
    plain.load_state_dict(model.net.state_dict())
    x = torch.randn(2, config.num_channels, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        found = model(x, output_hidden_states=True)
        expected, stem = plain(x), x
        for layer in plain.stem_layers:
            stem = layer(stem)
    assert model.channels == [one.shape[1] for one in found.feature_maps]
    wanted = [stem, expected[0], expected[2], expected[3]]
    for one, other in zip(found.feature_maps, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    assert len(found.hidden_states) == 5 and model(x).hidden_states is None


def test_saved_loaded_and_saved_again_all_bits_are_equal(tmp_path):
    model = FlexResNetBackbone(tiny(1, 4, anti_alias="blur", act_cfg=torch.nn.SiLU)).eval()
    model.save_pretrained(tmp_path / "a")
    again = FlexResNetBackbone.from_pretrained(tmp_path / "a").eval()
    again.save_pretrained(tmp_path / "b")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    x = torch.rand(1, 3, 64, 64)
    for one, other in zip(model(x).feature_maps, again(x).feature_maps, strict=True):
        assert torch.equal(one, other)
    some = transformers.AutoModel.from_pretrained(tmp_path / "a", out_features=["stage3"])
    assert type(some) is FlexResNetBackbone
    assert torch.equal(some.eval()(x).feature_maps[0], model(x, True).hidden_states[3])


def test_rt_detr_with_weights_of_its_resnet_vd_gives_the_same_and_trains():
    torch.manual_seed(0)
    theirs = transformers.RTDetrResNetConfig(
        embedding_size=16, hidden_sizes=[64, 128, 256, 512], depths=[1, 1, 1, 1],
        out_indices=[2, 3, 4],
    )  # fmt: skip
    ours = FlexResNetConfig(
        depth=50, width=0.25, stage_blocks=(1, 1, 1, 1), deep_stem=True, avg_down=True,
        out_indices=[2, 3, 4],
    )  # fmt: skip
    original, model = (
        transformers.RTDetrForObjectDetection(
            transformers.RTDetrConfig(
                backbone_config=config, encoder_in_channels=[128, 256, 512], **RT_DETR
            )
        )
        .double()
        .eval()
        for config in (theirs, ours)
    )
    state = original.state_dict()
    rest = model.load_state_dict(
        {key: one for key, one in state.items() if ".backbone.model." not in key}, strict=False
    )
    assert all(".backbone.model." in key for key in rest.missing_keys)
    load_weights(model.model.backbone.model.net, state)
    x = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model(x).logits, original(x).logits, rtol=0, atol=1e-9)
    step = model.float().train()(x.float(), labels=LABELS)
    step.loss.backward()
    assert model.model.backbone.model.net.stem[0].weight.grad.isfinite().all()


def test_a_whole_detector_is_stored_with_its_backbone(tmp_path):
    config = transformers.DetrConfig(backbone_config=tiny(4), num_labels=3, **DETR)
    model = transformers.DetrForObjectDetection(config).train()
    x = torch.rand(2, 3, 64, 64)
    model(x, labels=LABELS).loss.backward()
    assert model.model.backbone.model.net.conv1.weight.grad.isfinite().all()
    model.eval().save_pretrained(tmp_path)
    again = transformers.DetrForObjectDetection.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(again(x).logits, model(x).logits)


def test_a_training_step_of_maskformer():
    config = transformers.MaskFormerConfig(
        backbone_config=tiny(1, 2, 3, 4), decoder_config=transformers.DetrConfig(**DETR),
        fpn_feature_size=32, mask_feature_size=32,
    )  # fmt: skip
    model = transformers.MaskFormerForInstanceSegmentation(config).train()
    masks, classes = [torch.ones(1, 64, 64)] * 2, [torch.tensor([1])] * 2
    model(torch.rand(2, 3, 64, 64), mask_labels=masks, class_labels=classes).loss.backward()


def test_transformers_switches_checkpointing_on():
    model = FlexResNetBackbone(tiny(4))
    model.gradient_checkpointing_enable()
    assert all(block.with_cp for stage in model.net.stages for block in stage)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"dialtions": 2}, TypeError, "did you mean 'dilations'"),
        ({"style": "cafe"}, ValueError, "did you mean 'caffe'"),
        ({"out_indices": [7]}, ValueError, "out_indices"),
        ({"format_version": 9}, ValueError, "newer version: format 9"),
    ],
    ids=str,
)
def test_a_wrong_option_is_told(options, error, words):
    with pytest.raises(error, match=words):
        FlexResNetConfig(depth=18, **options)
