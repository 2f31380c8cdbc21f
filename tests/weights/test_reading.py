"""Files as training scripts write them are read; what is no checkpoint is called what it is."""

import argparse
import collections
import datetime
import enum
import gzip
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from renamed import ClipResNet

from resblock_backbones import CheckpointError, FlexResNet, load_weights
from resblock_backbones.weights import open_source
from resblock_backbones.weights.reading.read import read_checkpoint


def network():
    return FlexResNet(18, width=0.0625)


@pytest.fixture
def state():
    return network().state_dict()


class Own:
    """A class of a training script."""

    def __init__(self, **parts):
        self.__dict__.update(parts)


class Colour(enum.Enum):
    RED = 1


class Config(dict):
    pass


BESIDE = {
    "path": Path("a") / "b",
    "class": Own(rate=0.1, names=["a"]),
    "the class itself": Own,
    "loss": torch.nn.CrossEntropyLoss(),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "counter": collections.Counter("aab"),
    "deque": collections.deque([1, 2]),
    "date": datetime.datetime(2026, 11, 25),
    "namespace": argparse.Namespace(out=Path("out"), inner=Own(a=1)),
    "enum": Colour.RED,
    "mapping": Config(a=Own()),
    "set": {1, 2},
    "objects": np.array(["cat", None], dtype=object),
    "records": np.zeros(2, dtype=[("a", "f4")]),
    "method": Own().__init__,
    "device": torch.device("cpu"),
    "dtype": torch.float16,
    "size": torch.Size([1, 2]),
    "complex": 1 + 2j,
    "bytes": bytearray(b"ab"),
}


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "zip 4"])
@pytest.mark.parametrize("beside", BESIDE)
def test_what_is_not_known_beside_the_weights_is_left_out(beside, kind, state, tmp_path):
    path = tmp_path / "last.ckpt"
    content = {"state_dict": state, "hyper_parameters": {"it": [BESIDE[beside]]}, "epoch": 3}
    if kind == "pickle":
        content["state_dict"] = {key: tensor.numpy() for key, tensor in state.items()}
        path.write_bytes(pickle.dumps(content))
    elif kind == "zip 4":
        torch.save(content, path, pickle_protocol=4)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    net = network()
    assert load_weights(net, path).missing == ()
    assert all(torch.equal(net.state_dict()[key], state[key]) for key in state)


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_tensor_on_an_object_that_is_left_out_is_an_error(kind, state, tmp_path):
    for lost in (Own(weights=[state]), torch.nn.Linear(2, 2), {"deep": [Own(a=torch.ones(2))]}):
        torch.save(
            {"state_dict": state, "model": lost},
            tmp_path / "a.pth",
            _use_new_zipfile_serialization=kind == "zip",
        )
        with pytest.raises(CheckpointError, match="tensors belong to an object of the class"):
            load_weights(network(), tmp_path / "a.pth")


def test_tensors_in_a_plain_pickle(state, tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"model": dict(state)}))
    net = network()
    load_weights(net, tmp_path / "a.pkl")
    assert torch.equal(net.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])


def test_every_kind_of_tensor_is_what_torch_load_gives(tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    content = {
        "view": base[1:3, ::2],
        "same memory": base.t(),
        "parameter": torch.nn.Parameter(base.clone()),
        "scalar": torch.tensor(3),
        "empty": torch.empty(0, 3),
        "half": base.half(),
        "bfloat16": base.bfloat16(),
        "bool": base > 3,
        "complex": torch.complex(base, base),
        "uint16": torch.tensor([1, 2, 65535], dtype=torch.uint16),
        "expanded": torch.ones(1).expand(5),
        "float8": base.to(torch.float8_e4m3fn),
        "negated": torch._neg_view(base),
        "conjugated": torch.complex(base, base).conj(),
        "imaginary": torch.complex(base, base).conj().imag,
        "sparse": base.to_sparse(),
        "rows": base.to_sparse_csr(),
        "quantised": torch.quantize_per_tensor(base, 0.5, 3, torch.quint8),
        "byte order": {"numpy": np.arange(3, dtype=">f4"), "fortran": np.asfortranarray(base)},
    }
    for zipped in (True, False):
        torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
        ours = read_checkpoint(tmp_path / "a.pth")
        for key, tensor in content.items():
            if key == "byte order":
                assert all(np.array_equal(ours[key][name], tensor[name]) for name in tensor)
                continue
            assert type(ours[key]) is type(tensor) and ours[key].dtype == tensor.dtype, key
            assert ours[key].layout == tensor.layout and ours[key].shape == tensor.shape
            dense = [
                one.to_dense() if one.layout != torch.strided else one
                for one in (ours[key], tensor)
            ]
            dense = [one.dequantize() if one.is_quantized else one for one in dense]
            assert torch.equal(*(one.float() if "float8" in key else one for one in dense)), key
        memory = ours["view"].untyped_storage().data_ptr()
        assert ours["same memory"].untyped_storage().data_ptr() == memory


def test_a_torchscript_archive_of_clip_s_is_read_and_not_run(tmp_path, random_network, image):
    original = random_network(ClipResNet, device="cpu").double()

    class Clip(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.visual = original
            self.logit_scale = torch.nn.Parameter(torch.ones([]))

        def forward(self, x):
            return self.visual(x)

    torch.jit.trace(Clip().eval(), image).save(tmp_path / "RN50.pt")
    net = FlexResNet.from_checkpoint(tmp_path / "RN50.pt").eval()
    with torch.no_grad():
        for ours, theirs in zip(net(image), original(image), strict=True):
            assert (ours - theirs).abs().max() < 1e-9


class Shadowed:
    """Pickled as a mapping with text in place of a method."""

    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return collections.OrderedDict, (), {"items": "text"}, None, iter(self.state.items())


@pytest.mark.parametrize(
    "changed", [b"c_codecs\nencode\n", b"cnumpy.core.multiarray\nscalar\n", b"cnumpy\ndtype\n"]
)
@pytest.mark.parametrize("change", [b"}S'__name__'\nS'zzz'\ns", b"N}S'__name__'\nS'zzz'\ns\x86"])
def test_a_pickle_never_changes_what_reads_the_next_file(changed, change, state, tmp_path):
    (tmp_path / "evil.pkl").write_bytes(b"\x80\x02" + changed + change + b"b.")
    with pytest.raises(CheckpointError, match="evil.pkl: damaged: it changes a Maker"):
        load_weights(network(), tmp_path / "evil.pkl")
    arrays = {key: tensor.numpy() for key, tensor in state.items()} | {"lr": np.float64(0.1)}
    (tmp_path / "good.pkl").write_bytes(pickle.dumps(arrays, protocol=2))
    assert load_weights(network(), tmp_path / "good.pkl").missing == ()


def test_an_attribute_cannot_stand_for_a_method_of_a_mapping(state, tmp_path):
    for zipped in (True, False):
        torch.save(Shadowed(state), tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
        assert load_weights(network(), tmp_path / "a.pth").missing == ()


def npz(path):
    with path.open("wb") as opened:
        np.savez(opened, a=np.zeros(3))


def zipped(path, name):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"content")


FOREIGN = {
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    "web page": b"\n<!DOCTYPE html><html><body>log in</body></html>",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(64),
    ".npz": npz,
    "Keras": lambda path: zipped(path, "model.weights.h5"),
    ".npy": b"\x93NUMPY\x01\x00" + bytes(64),
    "ONNX": b"\x08\x08\x12\x07pytorch\x1a\x052.6.0:" + bytes(64),
    "index of a sharded": b'{"metadata": {}, "weight_map": {"a": "model-00001.safetensors"}}',
    "JSON": b'{"architectures": ["ResNet"]}',
    "exported program": lambda path: zipped(path, "archive/data/weights/weight_0"),
    "zip archive around net.pth": lambda path: zipped(path, "net.pth"),
    "gzip": gzip.compress(b"weights"),
    "empty": b"",
    "before 0.1.10": b"sys_info" + bytes(249) + b"ustar" + bytes(250),
    "tar archive: unpack": b"net.pth" + bytes(250) + b"ustar" + bytes(250),
    "torch.package": lambda path: zipped(path, "net/.data/0.storage"),
    "joblib": b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n.",
    "OpenVINO": b'<?xml version="1.0"?>\n<net name="net" version="11"></net>',
    "a web page": b"\xef\xbb\xbf<!DOCTYPE html>",
    "text file": b"not yet\n",
    "cut off": b"PK",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_checkpoint_is_called_what_it_is(kind, tmp_path):
    path = tmp_path / "weights.pth"
    content = FOREIGN[kind]
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"weights\.pth: .*{kind}"):
        load_weights(network(), path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.safetensors.index.json", "folder of a sharded checkpoint"),
        ("__0_0.distcp", "dcp_to_torch_save"),
        ("model.safetensors", r"model\.safetensors: the file is empty"),
        ("saved_model.pb", "TensorFlow"),
        ("zero_to_fp32.py", "DeepSpeed"),
        ("epoch_12.pth", r"give one of its files: epoch_12\.pth"),
        ("notes.txt", "this is a folder$"),
    ],
)
def test_a_folder_is_called_what_it_is(name, message, tmp_path):
    (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match=message):
        load_weights(network(), tmp_path)


def test_a_folder_that_a_file_was_unpacked_to(tmp_path):
    for name in ("data.pkl", "version"):
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match="a checkpoint was unpacked to; give the file itself"):
        load_weights(network(), tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickles(protocol, zipped, state, tmp_path):
    torch.save(
        state, tmp_path / "a.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped
    )
    net = network()
    load_weights(net, tmp_path / "a.pth")
    assert all(torch.equal(net.state_dict()[key], state[key]) for key in state)


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_of_plain_pickles(protocol, state, tmp_path):
    arrays = {key: tensor.numpy() for key, tensor in state.items()}
    for content in (arrays, dict(state)):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps({"model": content}, protocol=protocol))
        net = network()
        load_weights(net, tmp_path / "a.pkl")
        assert all(torch.equal(net.state_dict()[key], state[key]) for key in state)


def test_tensors_of_two_names_in_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    tied = torch.nn.Module()
    tied.backbone, tied.all = network(), torch.nn.Module()
    tied.all.parts = torch.nn.ModuleList([tied.backbone.conv1, tied.backbone.layer3])
    safetensors.save_model(tied, str(tmp_path / "a.safetensors"))
    with safetensors.safe_open(tmp_path / "a.safetensors", "pt") as opened:
        assert "backbone.conv1.weight" not in opened.keys()  # noqa: SIM118
    net = FlexResNet.from_checkpoint(tmp_path / "a.safetensors")
    expected = tied.backbone.state_dict()
    assert all(torch.equal(net.state_dict()[key], expected[key]) for key in expected)


def test_a_store_whose_reader_is_missing_is_one_line():
    pytest.importorskip("mmengine")
    with pytest.raises(CheckpointError, match="s3://bucket/a.pth: MMEngine cannot read it"):
        open_source("s3://bucket/a.pth")


def test_a_missing_file_is_an_oserror_too():
    for error in (CheckpointError, FileNotFoundError, OSError):
        with pytest.raises(error, match=r"none\.pth: there is no such file"):
            open_source("none.pth")


def zip_of(path, pickled, compression=zipfile.ZIP_STORED, **parts):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a/data.pkl", pickled)
        for name, content in parts.items():
            archive.writestr(f"a/data/{name}", content)


def test_sizes_are_bounded_before_memory_is_taken(tmp_path):
    path = tmp_path / "bomb.pth"
    view = (
        b"\x80\x02}X\x01\x00\x00\x00aCtorch._utils\n_rebuild_tensor_v2\n"
        b"((X\x07\x00\x00\x00storageCtorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x00"
        b"(\x8a\x06\x00\x00\x00\x00\x00\x01t(K\x00t\x89}tRs."
    ).replace(b"C", b"c")
    zip_of(path, view, **{"0": bytes(16)})
    with pytest.raises(CheckpointError, match="larger than the file"):
        load_weights(network(), path)
    zip_of(path, b"\x80\x02}." + bytes(300 << 20), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(CheckpointError, match="becomes larger than the file"):
        load_weights(network(), path)
    path.write_bytes(b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R.")
    with pytest.raises(CheckpointError, match="asks for memory"):
        load_weights(network(), path)
    path.write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")  # a memo of two billion places
    with pytest.raises(CheckpointError, match="holds no tensors"):
        load_weights(network(), path)
