"""What names in a pickle stand for that are tensors: views of memory, within its bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from .unpickler import Maker

#: Views may repeat memory up to this many bytes, in all of a file.
MOST_REPEATED = 1 << 20
_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "QUInt8Storage": torch.quint8,
    "QInt8Storage": torch.qint8,
    "QInt32Storage": torch.qint32,
}


class Memory:
    """A storage and the type of the numbers in it.

    Args:
        storage: the bytes.
        dtype: of the numbers; None for bytes.
        on: moves a tensor to where it belongs.
    """

    __slots__ = ("dtype", "on", "storage")

    def __init__(
        self,
        storage: torch.UntypedStorage,
        dtype: torch.dtype | None,
        on: Callable[[Tensor], Tensor],
    ) -> None:
        self.storage, self.dtype, self.on = storage, dtype, on


def storage_dtype(kind: Any) -> torch.dtype | None:
    """The type of number that a storage's class stands for; None for bytes.

    Raises:
        CheckpointError: it is no storage's class.
    """
    if isinstance(kind, torch.dtype):
        return kind
    if isinstance(kind, Maker) and kind.name.startswith("torch."):
        name = kind.name.rpartition(".")[2]
        if name == "UntypedStorage":
            return None
        if name in _STORAGES:
            return _STORAGES[name]
    raise CheckpointError("damaged: it names memory of an unknown kind")


def tensor_names(
    to_check: list[Callable[[], Any]], nested: Callable[[bytes], Any] | None = None
) -> dict[tuple[str, str], Any]:
    """What a pickle of PyTorch's may name, for one file.

    Args:
        to_check: gets what has to be called when all numbers are there, and raises for damage.
        nested: reads PyTorch's file inside a plain pickle.
    """
    views = _Views(to_check)
    makers: Mapping[tuple[str, str], Callable[..., Any]] = {
        ("torch._utils", "_rebuild_tensor"): views.of_memory,
        ("torch._utils", "_rebuild_tensor_v2"): views.of_memory,
        ("torch._utils", "_rebuild_tensor_v3"): views.of_bytes,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
        ("torch._utils", "_rebuild_qtensor"): views.quantised,
        ("torch._utils", "_rebuild_sparse_tensor"): views.sparse,
        ("torch._utils", "_rebuild_meta_tensor_no_storage"): _without_values,
        ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
        ("torch.serialization", "_get_layout"): _layout,
        ("torch", "Size"): lambda sizes=(): torch.Size(_sizes(sizes)),
        ("torch", "device"): _device,
    }
    names: dict[tuple[str, str], Any] = {
        key: Maker(".".join(key), make, is_class=False) for key, make in makers.items()
    }
    if nested is not None:
        names["torch.storage", "_load_from_bytes"] = Maker(
            "torch.storage._load_from_bytes", nested, is_class=False
        )
    for kind in (*_STORAGES, "UntypedStorage"):
        for module in ("torch", "torch.storage", "torch.cuda"):
            names[module, kind] = Maker(f"{module}.{kind}", None, is_class=False)
    for name, value in vars(torch).items():
        if isinstance(value, torch.dtype | torch.layout | torch.qscheme):
            names["torch", name] = value
    return names


class _Views:
    """Makes tensors of memory, and counts what they repeat."""

    def __init__(self, to_check: list[Callable[[], Any]]) -> None:
        self.repeated = 0
        self.to_check = to_check

    def of_memory(
        self,
        memory: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any = False,
        hooks: Any = None,
        metadata: Any = None,
    ) -> Tensor:
        if not isinstance(memory, Memory):
            raise CheckpointError("damaged: a tensor has no memory")
        dtype = memory.dtype or torch.uint8
        return self._view(memory, dtype, offset, size, stride, requires_grad, metadata)

    def of_bytes(
        self,
        memory: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Tensor:
        if not isinstance(memory, Memory) or not isinstance(dtype, torch.dtype):
            raise CheckpointError("damaged: a tensor has no memory")
        return self._view(memory, dtype, offset, size, stride, requires_grad, metadata)

    def quantised(
        self, memory: Any, offset: Any, size: Any, stride: Any, parameters: Any, *_: Any
    ) -> Tensor:
        scheme, scale, zero_point, *axis = parameters
        if not isinstance(memory, Memory) or memory.dtype is None:
            raise CheckpointError("damaged: a tensor has no memory")
        if scheme != torch.per_tensor_affine or axis:
            raise CheckpointError("refused, because it holds quantised tensors of an unknown kind")
        _sizes(size)
        self._bounded(memory, memory.dtype.itemsize, offset, size, stride)
        whole = torch._empty_affine_quantized(
            (0,), scale=float(scale), zero_point=int(zero_point), dtype=memory.dtype
        )
        return whole.set_(memory.storage, offset, tuple(size), tuple(stride))

    def sparse(self, layout: Any, data: Any) -> Tensor:
        if layout is torch.sparse_coo:
            indices, values, size, *_ = data
            make = partial(torch.sparse_coo_tensor, indices, values, _sizes(size))
        else:
            compressed, plain, values, size, *_ = data
            make = partial(
                torch.sparse_compressed_tensor,
                compressed,
                plain,
                values,
                _sizes(size),
                layout=layout,
            )
        # The numbers of old files come behind the pickle.
        self.to_check.append(partial(make, check_invariants=True))
        return make(check_invariants=False)

    def _view(
        self,
        memory: Memory,
        dtype: torch.dtype,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        metadata: Any,
    ) -> Tensor:
        self._bounded(memory, dtype.itemsize, offset, size, stride)
        view = torch.empty(0, dtype=dtype).set_(memory.storage, offset, tuple(size), tuple(stride))
        # Views whose signs PyTorch turns when they are read.
        turned = metadata if isinstance(metadata, dict) else {}
        view = view.conj() if turned.get("conj") is True else view
        view = torch._neg_view(view) if turned.get("neg") is True else view
        view = memory.on(view)
        if requires_grad is True and view.is_floating_point():
            view.requires_grad_()
        return view

    def _bounded(self, memory: Memory, itemsize: int, offset: Any, size: Any, stride: Any) -> None:
        sizes, strides, [start] = _sizes(size), _sizes(stride), _sizes((offset,))
        if len(sizes) != len(strides) or len(sizes) > 64:
            raise CheckpointError("damaged: a tensor's sizes and strides do not fit")
        count = 1
        for one in sizes:
            count *= one
        held = memory.storage.nbytes()
        if not count:
            return
        last = start + sum((one - 1) * step for one, step in zip(sizes, strides, strict=True))
        if (last + 1) * itemsize > held:
            raise CheckpointError("damaged: a tensor is larger than its memory")
        self.repeated += max(0, count * itemsize - held)
        if self.repeated > max(MOST_REPEATED, held):
            raise CheckpointError("damaged: its tensors say to be larger than the file")


def _sizes(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple | list) or any(
        type(one) is not int or not 0 <= one < 1 << 62 for one in values
    ):
        raise CheckpointError("damaged: a tensor's sizes are none")
    return tuple(values)


def _parameter(tensor: Any, requires_grad: Any = True, *_: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise CheckpointError("damaged: a parameter is no tensor")
    wanted = bool(requires_grad) and tensor.is_floating_point()
    return torch.nn.Parameter(tensor.detach(), requires_grad=wanted)


def _without_values(dtype: Any, size: Any, stride: Any, requires_grad: Any = False) -> Tensor:
    return torch.empty_strided(_sizes(size), _sizes(stride), dtype=dtype, device="meta")


def _of_type(maker: Any, kind: Any, values: Any, state: Any) -> Any:
    """A tensor of a class of its own: the tensor without the class."""
    if not isinstance(maker, Maker) or maker.make is None or not isinstance(values, tuple):
        raise CheckpointError("damaged: a tensor is made of nothing")
    return maker.make(*values)


def _layout(name: Any) -> torch.layout:
    layout = getattr(torch, str(name).removeprefix("torch."), None)
    if not isinstance(layout, torch.layout):
        raise CheckpointError("damaged: a tensor has no known layout")
    return layout


def _device(kind: Any, index: Any = None) -> torch.device:
    return torch.device(str(kind)) if index is None else torch.device(str(kind), int(index))
