"""A network that is saved and loaded is the same one, to the last bit."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from resblock_backbones import FlexResNet
from resblock_backbones.resnet.interfaces.stored_network import options_of

pytest.importorskip("huggingface_hub")

STORED = Path(__file__).parent / "stored_network"
OPTIONS = [
    {},
    {"out_indices": (1, 3), "frozen_stages": 1, "norm_eval": False},
    {
        "act_cfg": nn.GELU,
        "norm_cfg": {"type": "GN", "num_groups": 2},
        "attention": [None, "SE"] * 2,
    },
    {"deep_stem": True, "anti_alias": True, "channels_last": True, "kernel_size": (3, 5, 3, 3)},
    {"output_stride": 8, "bn_momentum": None, "drop_path_rate": 0.1, "with_cp": True},
]


def tiny(**options):
    torch.manual_seed(0)
    return FlexResNet(18, base_channels=4, **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_saved_loaded_and_saved_again_all_bits_are_equal(options, dtype, tmp_path):
    net = tiny(**options).to(dtype)
    net.save_pretrained(tmp_path / "a")
    again = FlexResNet.from_pretrained(tmp_path / "a")
    again.save_pretrained(tmp_path / "b")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (again.frozen_stages, again.norm_eval) == (net.frozen_stages, net.norm_eval)
    for one, other in zip(again.state_dict().values(), net.state_dict().values(), strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)
    assert not again.training


def test_a_change_after_building_is_stored_and_one_at_loading_wins(tmp_path):
    net = tiny(init_cfg={"type": "Pretrained", "checkpoint": "not_there.pth"})
    net.frozen_stages, net.norm_eval = 2, False
    net.save_pretrained(tmp_path)
    options = options_of(FlexResNet.from_pretrained(tmp_path))
    assert (options["frozen_stages"], options["norm_eval"]) == (2, False)
    assert "init_cfg" not in options
    loaded = FlexResNet.from_pretrained(tmp_path, frozen_stages=-1, out_indices=(3,))
    assert (loaded.frozen_stages, loaded.out_indices) == (-1, (3,))


def test_a_folder_of_the_first_format_loads():
    net = FlexResNet.from_pretrained(STORED)
    x = torch.linspace(-1, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)
    expected = json.loads((STORED / "expected.json").read_text())
    torch.testing.assert_close(net(x)[-1].flatten(), torch.tensor(expected), rtol=1e-4, atol=1e-5)


def changed(folder, **values):
    tiny().save_pretrained(folder)
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"format": 2, "version": "9.1.0"}, r"newer version: format 2.*9\.1\.0 wrote it"),
        ({"options": {"depth": 18, "dialtions": 2}}, "did you mean 'dilations'"),
        ({"options": {"depth": 34}}, "another network than its plan tells"),
        ({"library": "timm"}, "is not a config.json"),
        ({"dtype": "load"}, "no dtype"),
    ],
    ids=str,
)
def test_a_config_that_cannot_be_read_is_told_in_one_line(values, words, tmp_path):
    changed(tmp_path, **values)
    with pytest.raises(ValueError, match=words) as caught:
        FlexResNet.from_pretrained(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_weights_that_are_cut_or_of_another_network_are_told(tmp_path):
    tiny().save_pretrained(tmp_path / "a")
    tiny(deep_stem=True).save_pretrained(tmp_path / "b")
    file = tmp_path / "a" / "model.safetensors"
    file.write_bytes((tmp_path / "b" / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match="does not fit config.json"):
        FlexResNet.from_pretrained(tmp_path / "a")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="model.safetensors"):
        FlexResNet.from_pretrained(tmp_path / "a")


def test_what_is_no_folder_and_no_repository_is_told(tmp_path):
    with pytest.raises(ValueError, match="neither a folder nor a repository"):
        FlexResNet.from_pretrained("nobody/nothing", local_files_only=True, cache_dir=tmp_path)


def test_a_layer_without_a_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="act_cfg.*give the layer by name"):
        tiny(act_cfg=lambda: nn.ReLU()).save_pretrained(tmp_path)


def test_pushing_uploads_the_files(monkeypatch):
    import huggingface_hub.hub_mixin as mixin

    uploaded = []

    class Api:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, **_):
            return type("Repo", (), {"repo_id": repo_id})

        def upload_folder(self, repo_id, folder_path, **_):
            uploaded.append((repo_id, {file.name for file in Path(folder_path).iterdir()}))
            return type("Commit", (), {"commit_url": "url"})

    monkeypatch.setattr(mixin, "HfApi", Api)
    tiny().push_to_hub("me/net")
    assert uploaded == [("me/net", {"config.json", "model.safetensors", "README.md"})]
