"""Weights of a host that is gone come from where the same files are kept, and are compared."""

import hashlib
import io
import json
from email.message import Message
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from resblock_backbones import CheckpointError, FlexResNet, load_weights
from resblock_backbones.weights.errors import CheckpointWarning
from resblock_backbones.weights.reading.moved import MOVED, moved_to

GONE = "https://download.openmmlab.com/pretrain/third_party"
LIVING = "https://mmassets.onedl.ai/pretrain/third_party"
STATE = FlexResNet(18, width=0.25).state_dict()


@pytest.fixture
def host(tmp_path, monkeypatch):
    """The files of a host by their addresses, an empty cache, and a list of what was asked for."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    files, asked = {}, []

    def answer(request, **_):
        asked.append(request.full_url)
        if request.full_url not in files:
            raise URLError("no such host")
        opened = io.BytesIO(files[request.full_url])
        opened.info = Message
        return opened

    monkeypatch.setattr("torch.hub.urlopen", answer)
    return files, asked


@pytest.fixture
def published():
    """A file of weights, under the name that a zoo gives it."""
    file = io.BytesIO()
    torch.save(STATE, file)
    content = file.getvalue()
    return f"r18-{hashlib.sha256(content).hexdigest()[:8]}.pth", content


def load_by_name(url: str) -> FlexResNet:
    net = FlexResNet(18, width=0.25)
    load_weights(net, url)
    return net


def load_by_config(url: str) -> FlexResNet:
    pytest.importorskip("mmengine")
    net = FlexResNet(18, width=0.25, init_cfg={"type": "Pretrained", "checkpoint": url})
    net.init_weights()
    return net


def load_by_mmengine(url: str) -> FlexResNet:
    runner = pytest.importorskip("mmengine.runner")
    net = FlexResNet(18, width=0.25)
    net.load_state_dict(runner.CheckpointLoader.load_checkpoint(url, logger="silent"))
    return net


@pytest.mark.parametrize("load", [load_by_name, load_by_config, load_by_mmengine])
def test_the_same_file_is_taken_from_the_living_host_and_a_line_says_so(host, published, load):
    files, asked = host
    name, content = published
    files[f"{LIVING}/{name}"] = content
    with pytest.warns(
        CheckpointWarning, match="host has been gone since June 2026; taken from"
    ) as told:
        net = load(f"{GONE}/{name}")
    assert asked == [f"{LIVING}/{name}"]
    assert torch.equal(net.conv1.weight, STATE["conv1.weight"])
    (line,) = [str(one.message) for one in told if "host has been gone" in str(one.message)]
    assert "\n" not in line and f"its SHA-256 begins with {name[4:12]}" in line


def test_another_file_under_the_name_is_refused_and_not_kept(host, published, tmp_path):
    files, _ = host
    name, content = published
    files[f"{LIVING}/r18-00000000.pth"] = content
    with pytest.raises(CheckpointError, match="invalid hash value") as refused:
        load_by_name(f"{GONE}/r18-00000000.pth")
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.rglob("*.pth"))


def test_where_no_host_answers_one_line_says_what_to_do(host):
    with pytest.raises(CheckpointError, match=r"gone since June 2026.*no such host.*timm://"):
        load_by_name(f"{GONE}/r18-00000000.pth")


def test_what_is_in_the_cache_needs_no_host(host, published, tmp_path):
    name, content = published
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / name).write_bytes(content)
    assert torch.equal(load_by_name(f"{GONE}/{name}").conv1.weight, STATE["conv1.weight"])
    assert host[1] == []


def test_the_copies_have_the_paths_that_the_maintained_packages_ask_for():
    engine = pytest.importorskip("mmengine")
    names = Path(engine.__file__).parent / "hub/openmmlab.json"
    urls = json.loads(names.read_text()).values()
    if not any(host in url for url in urls for host in MOVED.values()):
        pytest.skip("OpenMMLab's own release asks the host that is gone")
    for url in urls:
        assert moved_to(url.replace("mmassets.onedl.ai", "download.openmmlab.com")) == url
