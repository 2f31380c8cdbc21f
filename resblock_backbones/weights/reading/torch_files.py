"""PyTorch's files: the zip archives of today and the files from before 1.6."""

from __future__ import annotations

import io
import os
import struct
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from .archive import Archive
from .plain_values import PLAIN_VALUES
from .tensors import Memory, storage_dtype, tensor_names
from .unpickler import Built, DataUnpickler, Maker

MapLocation = str | torch.device | Callable | dict | None
Names = Mapping[tuple[str, str], Any]
#: The number that files from before 1.6 begin with.
MAGIC = 0x1950A86A20F9469CFC6C


class ScriptModule(dict, Built):
    """A module of a TorchScript archive: its attributes by name. Its code is never looked at."""

    __slots__ = ()

    def set_state(self, state: Any) -> None:
        """Take the attributes."""
        if isinstance(state, dict):
            self.update(state)


def _made_of_attributes(*_: Any) -> ScriptModule:
    return ScriptModule()


_SCRIPT_NAMES: Names = {
    ("__torch__", "*"): Maker("__torch__", _made_of_attributes),
    ("torch.jit._pickle", "restore_type_tag"): Maker("tag", lambda value, *_: value),
    **{
        ("torch.jit._pickle", f"build_{kind}list"): Maker("list", lambda items=(): list(items))
        for kind in ("int", "double", "bool", "tensor", "")
    },
}


def read_archive(
    file: str | os.PathLike[str] | IO[bytes],
    names: Names,
    *,
    location: MapLocation = "cpu",
    mapped: bool = True,
    scripts: bool = True,
    strangers: set[str] | None = None,
) -> Any:
    """The content of a zip archive of PyTorch's.

    Args:
        file: a path, or an open file.
        names: what the pickle may name beside tensors and plain values.
        location: ``map_location`` of `torch.load`.
        mapped: leave tensors in the file until they are read; it must not be written to till then.
        scripts: whether a TorchScript program's tensors are wanted.
        strangers: gets the names of classes whose objects were left out.

    Raises:
        CheckpointError: it is damaged, or holds more than data.
        Exception: whatever Python says of a damaged file.
    """
    archive = Archive(file)
    data = archive.named("data.pkl")
    is_script = archive.named("constants.pkl") is not None
    if data is None:
        raise CheckpointError(_other_archive(list(archive.parts)))
    if is_script and not scripts:
        raise CheckpointError("a TorchScript program; save the state_dict alone where you made it")
    folder = data.removesuffix("data.pkl")
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in archive.parts else b""
    swapped = order in (b"little", b"big") and order.decode() != sys.byteorder
    to_check: list[Callable[[], Any]] = []
    memories: dict[str, torch.UntypedStorage] = {}

    def storage(pid: Any) -> Memory:
        kind, key, where, count = _reference(pid)[:4]
        dtype = storage_dtype(kind)
        if key not in memories:
            memories[key] = _part_memory(archive, f"{folder}data/{key}", mapped)
            if swapped and dtype is not None:
                memories[key].byteswap(dtype)
        if count * (1 if dtype is None else dtype.itemsize) > memories[key].nbytes():
            raise CheckpointError(f"damaged: memory {key} is smaller than it says")
        return Memory(memories[key], dtype, _mover(location, where))

    whole = {
        **PLAIN_VALUES,
        **tensor_names(to_check),
        **names,
        **(_SCRIPT_NAMES if is_script else {}),
    }
    pickled = io.BytesIO(archive.read(data))
    loaded = DataUnpickler(pickled, whole, storage=storage, strangers=strangers).load()
    _check(to_check)
    return loaded


def read_legacy(
    data: bytes, names: Names, *, location: MapLocation = "cpu", strangers: set[str] | None = None
) -> Any:
    """The content of a file that PyTorch wrote before 1.6; arguments as of :func:`read_archive`."""
    content, size = io.BytesIO(data), len(data)
    for number in range(3):
        head = DataUnpickler(content, PLAIN_VALUES).load()
        if number == 0 and head != MAGIC:
            raise CheckpointError("damaged: it does not begin as PyTorch's files do")
    if isinstance(head, dict) and head.get("little_endian", True) != (sys.byteorder == "little"):
        raise CheckpointError("written by a computer with another order of bytes")
    to_check: list[Callable[[], Any]] = []
    memories: dict[str, tuple[torch.UntypedStorage, int]] = {}

    def storage(pid: Any) -> Any:
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module":
            return pid[1]  # a class, with its source
        kind, key, where, count, *view = _reference(pid)
        dtype = storage_dtype(kind)
        itemsize = 1 if dtype is None else dtype.itemsize
        if key not in memories:
            if sum(held.nbytes() for held, _ in memories.values()) + count * itemsize > size:
                raise CheckpointError("cut off, or damaged: it names more memory than it holds")
            memories[key] = torch.UntypedStorage(count * itemsize), itemsize
        held, _ = memories[key]
        if view and view[0] is not None:
            _, start, length = view[0]
            held = held[int(start) * itemsize : (int(start) + int(length)) * itemsize]
        return Memory(held, dtype, _mover(location, where))

    whole = {**PLAIN_VALUES, **tensor_names(to_check), **names}
    loaded = DataUnpickler(content, whole, storage=storage, strangers=strangers).load()
    for key in DataUnpickler(content, PLAIN_VALUES).load():
        held, itemsize = memories[key]
        (count,) = struct.unpack("<q", content.read(8))
        begin = content.tell()
        if count * itemsize != held.nbytes() or begin + held.nbytes() > size:
            raise CheckpointError("cut off, or damaged: a tensor's numbers are not all there")
        if held.nbytes():
            with content.getbuffer() as view:
                inside = torch.frombuffer(
                    view, dtype=torch.uint8, count=held.nbytes(), offset=begin
                )
                torch.empty(0, dtype=torch.uint8).set_(held).copy_(inside)
                del inside
        content.seek(begin + held.nbytes())
    _check(to_check)
    return loaded


def read_pickle(content: bytes, names: Names, strangers: set[str] | None = None) -> Any:
    """The content of a plain pickle: Detectron2's, Caffe2's, or a state dict by `pickle.dump`."""

    def nested(inner: bytes) -> Any:
        return read_legacy(inner, {}, strangers=strangers)

    to_check: list[Callable[[], Any]] = []
    whole = {**PLAIN_VALUES, **tensor_names(to_check, nested), **names}
    loaded = DataUnpickler(io.BytesIO(content), whole, strangers=strangers).load()
    _check(to_check)
    return loaded


def _check(to_check: list[Callable[[], Any]]) -> None:
    for check in to_check:
        check()


def _reference(pid: Any) -> tuple[Any, ...]:
    """A storage's class, its name, device and number of elements, and what follows."""
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
        raise CheckpointError("damaged: it refers to something that is no tensor's memory")
    _, kind, key, where, count, *view = pid
    if type(count) is not int or not 0 <= count < 1 << 48:
        raise CheckpointError("damaged: a tensor's memory has no size")
    return kind, str(key), str(where), count, *view


def _part_memory(archive: Archive, name: str, mapped: bool) -> torch.UntypedStorage:
    part = archive.parts.get(name)
    if part is None:
        raise CheckpointError(f"cut off, or damaged: {name} is not there")
    if part.size == 0:
        return torch.UntypedStorage(0)
    if part.is_compressed or not mapped or part.begin % 8:
        data = bytearray(archive.read(name))
        return torch.frombuffer(data, dtype=torch.uint8).untyped_storage()
    view = torch.frombuffer(archive.bytes, dtype=torch.uint8, count=part.size, offset=part.begin)
    return view.untyped_storage()


def _mover(location: MapLocation, where: str) -> Callable[[Tensor], Tensor]:
    """What `torch.load` does by ``map_location`` with a tensor that was saved ``where``."""
    if isinstance(location, dict):
        location = location.get(where, where)
    if callable(location):
        move = location

        def by_function(tensor: Tensor) -> Tensor:
            moved = move(tensor.untyped_storage(), where)
            device = where if moved is None else moved.device
            return tensor.to(device)

        return by_function
    target = torch.device(where if location is None else str(location))
    return lambda tensor: tensor if target.type == "cpu" else tensor.to(target)


def _other_archive(names: list[str]) -> str:
    """What a zip archive is that is no checkpoint of PyTorch's."""
    if any(name.endswith(".npy") for name in names):
        return "numpy's archive of arrays (.npz), not a checkpoint; torch.save a dict of them"
    if any(name.endswith(".h5") for name in names):
        return "a Keras model, not PyTorch's"
    if any("data/weights/" in name or name.endswith("/serialized_state_dict.pt") for name in names):
        return "an exported program (.pt2); save torch.export.load(file).state_dict of it"
    if any(name.endswith((".pth", ".pt", ".safetensors", ".ckpt", ".bin")) for name in names):
        return f"a zip archive around {names[0]}: unpack it first"
    if any("/.data/" in name or name.startswith(".data/") for name in names):
        return "an archive of torch.package, with code; save the state_dict alone where you made it"
    first = ", ".join(names[:3]) or "nothing"
    return f"a zip archive that PyTorch did not write (it holds {first})"
