"""What is damaged, foreign or dangerous is refused in one line, and the network stays as it was."""

import copy
import pickle
import random
import struct
from collections import OrderedDict

import numpy as np
import pytest
import torch

from resblock_backbones import CheckpointError, FlexResNet, load_weights
from resblock_backbones.weights import open_source

OPTIONS = {"width": 0.0625}


@pytest.fixture(scope="module")
def state():
    return FlexResNet(18, **OPTIONS).state_dict()


def write(kind, state, path):
    if kind == "zip":
        torch.save(state, path)
    elif kind == "legacy":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    elif kind == "safetensors":
        pytest.importorskip("safetensors.torch").save_file(dict(state), path)
    else:
        path.write_bytes(pickle.dumps({key: t.numpy() for key, t in state.items()}, protocol=2))
    return path


def assert_refused(source, *, match=None, net=None, call=load_weights):
    net = net or FlexResNet(18, **OPTIONS)
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(CheckpointError, match=match) as caught:
        call(net, source)
    assert "\n" not in str(caught.value)
    after = net.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    if call is load_weights:
        with pytest.raises(CheckpointError) as caught:
            FlexResNet.from_checkpoint(source)
    return str(caught.value)


KINDS = ["zip", "legacy", "safetensors", "pickle"]


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_load(kind, state, tmp_path):
    net = FlexResNet(18, **OPTIONS)
    assert load_weights(net, write(kind, state, tmp_path / "a.bin")).missing == ()
    assert all(torch.equal(net.state_dict()[key], state[key]) for key in state)


@pytest.mark.parametrize("kind", KINDS)
def test_cut_files(kind, state, tmp_path):
    path = write(kind, state, tmp_path / "weights.bin")
    whole = path.read_bytes()
    for share in (0, 0.001, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert_refused(path, match=r"weights\.bin")
    path.write_bytes(whole[:-1])
    assert_refused(path, match=r"weights\.bin")


def test_a_flipped_bit_anywhere_in_pytorch_s_file_never_gives_other_weights(state, tmp_path):
    path = write("zip", state, tmp_path / "weights.pth")
    whole = path.read_bytes()
    random.seed(0)
    refused = 0
    for position in random.sample(range(len(whole)), 300):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        try:
            content = open_source(path).content
        except CheckpointError as error:
            assert "weights.pth" in str(error) and "\n" not in str(error)
            refused += 1
            continue
        # Bytes that nobody reads: padding between tensors, dates.
        assert content.keys() == state.keys(), position
        assert all(torch.equal(content[key], state[key]) for key in state), position
    assert refused > 200


@pytest.mark.parametrize("kind", ["safetensors", "pickle"])
def test_a_flipped_bit_in_the_structure_of_other_files_never_gives_other_names(
    kind, state, tmp_path
):
    """These carry no checksums: that a number in a tensor changed cannot be told."""
    path = write(kind, state, tmp_path / "weights.bin")
    whole = path.read_bytes()
    structure = 8 + struct.unpack("<Q", whole[:8])[0] if kind == "safetensors" else 120
    random.seed(0)
    for position in random.sample(range(structure), 100):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        net = FlexResNet(18, **OPTIONS)
        before = copy.deepcopy(net.state_dict())
        try:
            report = load_weights(net, path)
        except CheckpointError as error:
            assert "weights.bin" in str(error) and "\n" not in str(error)
            assert all(torch.equal(net.state_dict()[key], before[key]) for key in before)
        else:
            assert report.missing == () and report.reshaped == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg11", "no ResNet backbone"),
        ("convnext_atto", "no ResNet backbone"),
        ("regnetx_002", "no ResNet backbone"),
        ("vit_tiny_patch16_224", "no ResNet backbone"),
        ("res2net50_26w_4s", "conv2"),
        ("resnest14d", "conv2"),
        ("hrnet_w18_small", ""),
        ("skresnet18", "conv1"),
    ],
)
def test_other_families(name, message):
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        foreign = timm.create_model(name).state_dict()
    told = assert_refused(foreign)
    assert message in told


@pytest.mark.parametrize(
    ("theirs", "ours"), [(101, 50), (50, 101), (34, 50), (50, 34), (34, 18), (18, 34), (152, 101)]
)
def test_another_depth(theirs, ours):
    foreign = FlexResNet(theirs, **OPTIONS).state_dict()
    net = FlexResNet(ours, **OPTIONS)
    with pytest.raises(CheckpointError, match="does not match this backbone.*check depth"):
        load_weights(net, foreign)


@pytest.mark.parametrize("options", [{"attention": "SE"}, {"deep_stem": True}, {"avg_down": True}])
def test_parts_that_the_network_has_no_place_for(options):
    foreign = FlexResNet(18, **OPTIONS, **options).state_dict()
    with pytest.raises(CheckpointError):
        load_weights(FlexResNet(18, **OPTIONS), foreign)


def test_stages_that_the_network_does_not_have_may_be_there(state):
    net = FlexResNet(18, num_stages=2, out_indices=(1,), **OPTIONS)
    assert load_weights(net, state).missing == ()


def test_a_detector_without_its_backbone(state):
    head = {"roi_head.fc.weight": torch.zeros(2), "neck.lateral.weight": torch.zeros(2)}
    assert "roi_head, neck" in assert_refused({"state_dict": head})


def test_two_backbones_ask_for_a_prefix(state):
    both = {f"{name}.backbone.{k}": t for name in ("student", "teacher") for k, t in state.items()}
    told = assert_refused(both)
    assert "'student.backbone.', 'teacher.backbone.'" in told and "prefix=" in told
    net = FlexResNet(18, **OPTIONS)
    assert load_weights(net, both, prefix="teacher.backbone").missing == ()
    with pytest.raises(CheckpointError, match="under prefix='ema'.*'student.backbone.'"):
        load_weights(net, both, prefix="ema")


@pytest.mark.parametrize(
    "content",
    [{}, {"state_dict": {}}, {"epoch": 3}, {"state_dict": {"a": "text"}}, [1, 2], "text", None],
)
def test_nothing_in_it(content, tmp_path):
    torch.save(content, tmp_path / "weights.pth")
    assert_refused(tmp_path / "weights.pth", match=r"weights\.pth: holds")


@pytest.mark.parametrize("text", ["", "no checkpoint\n", "<html>404</html>", "PK", "\x80\x02"])
def test_a_text_file(text, tmp_path):
    (tmp_path / "weights.pth").write_bytes(text.encode("latin-1"))
    assert_refused(tmp_path / "weights.pth", match=r"weights\.pth")
    assert_refused(tmp_path, match="is a folder")


class RunsCode:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class Extends(OrderedDict):
    pass


@pytest.mark.parametrize(
    "evil",
    [
        RunsCode(print, "never"),
        RunsCode(eval, "print('never')"),
        RunsCode(getattr, OrderedDict, "fromkeys"),
        RunsCode(np.dtype, "O"),
        np.array([RunsCode(print, "never")], dtype=object),
        Extends(),
        np.zeros(3, dtype=[("a", "f4")]),
    ],
    ids=["print", "eval", "getattr", "dtype", "objects", "subclass", "structured"],
)
@pytest.mark.parametrize("kind", ["zip", "legacy", "protocol 2", "protocol 4"])
def test_what_would_run_code(kind, evil, state, tmp_path, capfd):
    path = tmp_path / "weights.pkl"
    content = {"model": {"weights": 0}, "evil": evil}
    if kind in ("zip", "legacy"):
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    else:
        path.write_bytes(pickle.dumps(content, protocol=int(kind[-1])))
    told = assert_refused(path, match="refused|damaged")
    assert "weights.pkl" in told
    assert "never" not in "".join(capfd.readouterr())
