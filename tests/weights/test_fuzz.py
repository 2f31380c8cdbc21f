"""Mutated files: data or one line, whatever a file says; and the next good file still loads."""

import io
import pickle
import random
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from resblock_backbones import CheckpointError
from resblock_backbones.weights.reading.read import read_checkpoint

OPCODES = bytes(
    sorted(
        {ord(one) for one in vars(pickle).values() if isinstance(one, str) and len(one) == 1}
        | {
            one[0]
            for name, one in vars(pickle).items()
            if name.isupper() and isinstance(one, bytes) and len(one) == 1
        }
    )
)
CALLS = (b"cos\nsystem\n", b"cbuiltins\nexec\n", b"cbuiltins\ngetattr\n", b"cnumpy\nndarray\n")


def good_files():
    """The four formats, each with tensors, arrays and an unknown object where it may be."""
    generator = torch.Generator().manual_seed(0)
    state = {
        f"layer1.{block}.conv{number}.weight": torch.randn(4, 4, 3, 3, generator=generator)
        for block in range(2)
        for number in (1, 2)
    }
    extra = {"epoch": 3, "lr": np.float64(0.1), "set": {1}, "dtype": torch.float16}
    files = {}
    for name, zipped in (("zip", True), ("legacy", False)):
        opened = io.BytesIO()
        torch.save({"state_dict": state} | extra, opened, _use_new_zipfile_serialization=zipped)
        files[name] = opened.getvalue()
    arrays = {key: tensor.numpy() for key, tensor in state.items()}
    files["pickle"] = pickle.dumps({"model": arrays, "lr": np.float64(0.1)}, protocol=2)
    safetensors = pytest.importorskip("safetensors.torch")
    files["safetensors"] = safetensors.save(state)
    return files


def mutated(content, dice):
    """One to four changes: bits, bytes, instructions, sizes, pieces taken out, doubled or moved."""
    changed = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed))
        end = min(len(changed), at + dice.choice((1, 2, 4, 8, 64, 500)))
        kind = dice.randrange(8)
        if kind == 0:
            changed[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            changed[at] = dice.randrange(256)
        elif kind == 2:
            changed[at] = dice.choice(OPCODES)
        elif kind == 3:
            changed[at:end] = b"\xff" * (end - at)
        elif kind == 4:
            del changed[at:end]
        elif kind == 5:
            changed[at:at] = changed[at:end]
        elif kind == 6:
            changed[at:at] = dice.choice(CALLS)
        else:
            changed = changed[: max(1, at)]
        if not changed:
            changed = bytearray(b"\x80")
    return bytes(changed)


def repacked(content, dice):
    """A zip archive whose pickle was mutated, with right checksums: only the pickle is wrong."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, mutated(part, dice) if name.endswith("data.pkl") else part)
    return packed.getvalue()


def held(value, seen):
    """Bytes of the memory of all tensors and arrays in containers."""
    if isinstance(value, torch.Tensor):
        memory = value.untyped_storage()
        return 0 if memory.data_ptr() in seen else seen.add(memory.data_ptr()) or memory.nbytes()
    if isinstance(value, np.ndarray):
        return value.nbytes
    if not isinstance(value, dict | list | tuple) or id(value) in seen:
        return 0
    seen.add(id(value))
    return sum(held(one, seen) for one in (value.values() if isinstance(value, dict) else value))


def fuzz(count, path, seed):
    dice = random.Random(seed)
    files = good_files()
    refused = 0
    for number in range(count):
        name = list(files)[number % len(files)]
        change = repacked if name == "zip" and dice.random() < 0.7 else mutated
        path.write_bytes(change(files[name], dice))
        tracemalloc.start()
        try:
            found = held(read_checkpoint(path), set())
            assert found <= 4 * len(files[name]), (seed, number, found)
        except CheckpointError as error:
            refused += 1
            assert str(error).isprintable() and path.name in str(error), (seed, number)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        # Python's own objects; a thousandth of what a flipped bit could ask for.
        assert peak < 4 * len(files[name]) + (2 << 20), (seed, number, peak)
        if number % 50 == 0:
            for content in files.values():
                path.write_bytes(content)
                assert read_checkpoint(path)
    assert count // 4 < refused < count


@pytest.fixture
def nothing_runs(monkeypatch):
    """Whatever an attack would call, called or not."""
    called = []
    for where, name in (("os", "system"), ("posix", "system"), ("subprocess", "Popen")):
        monkeypatch.setattr(f"{where}.{name}", lambda *values, name=name: called.append(name))
    yield
    assert not called


def test_some_mutated_files(tmp_path, nothing_runs):
    fuzz(400, tmp_path / "weights.bin", seed=1)


@pytest.mark.slow
def test_ten_thousand_mutated_files(tmp_path, nothing_runs):
    fuzz(10_000, tmp_path / "weights.bin", seed=2)
