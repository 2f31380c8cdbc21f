"""A GPU that is none: tensors that say they are on it, computed on the CPU.

What PyTorch would refuse on a GPU raises here: an operator whose tensors are on different devices,
and a CPU's numbers where the GPU's are meant. Unlike PyTorch's fake tensors these have values, so
that code may ask for them, as suppression does for what is left.
"""

import contextlib
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from resblock_backbones.layers import processor
from resblock_backbones.layers.folding import foldable

GPU = torch.device("cuda", 0)
aten = torch.ops.aten
#: Operators that take tensors of two devices: copies, and indices from the CPU.
ACROSS = {aten._to_copy, aten.copy_, aten.copy}
ACROSS |= {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}


class OnGPU(torch.Tensor):
    """A tensor on the pretended GPU; ``values`` are its numbers, on the CPU.

    To PyTorch's own code it is on the device "meta", for which that code needs no driver.
    """

    @staticmethod
    def __new__(cls, values):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device="meta",
            requires_grad=False,
        )

    def __init__(self, values):
        self.values = values

    device = property(lambda self: GPU)
    is_cuda = property(lambda self: True)
    is_meta = property(lambda self: False)

    @property
    def data(self):
        return OnGPU(self.values)

    @data.setter
    def data(self, other):
        torch.Tensor.data.__set__(self, other)
        self.values = other.values

    def __repr__(self):
        return f"OnGPU({self.values})"

    def __deepcopy__(self, memo):
        copy = self.detach().clone().requires_grad_(self.requires_grad)
        copy._is_param = getattr(self, "_is_param", False)
        return memo.setdefault(id(self), copy)

    def tolist(self):
        return self.values.tolist()

    def new_tensor(self, data, dtype=None):
        return torch.tensor(data, dtype=dtype or self.dtype, device=GPU)

    def __getitem__(self, index):
        return super().__getitem__(with_tensors(index))

    def __setitem__(self, index, value):
        super().__setitem__(with_tensors(index), value)

    def numpy(self, **_):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    @classmethod
    def __torch_dispatch__(cls, operator, types, given=(), named=None):
        return compute(operator, given, named or {})


def with_tensors(index):
    """An index without lists, which PyTorch would put on "meta" and lose the numbers of."""
    if isinstance(index, tuple):
        return tuple(map(with_tensors, index))
    return torch.tensor(index, device=GPU) if isinstance(index, list) else index


def values_of(one):
    return one.values if isinstance(one, OnGPU) else one


def is_gpu(device):
    return device is not None and torch.device(device).type in ("cuda", "meta")


def compute(operator, given, named):
    """The operator's result, on the pretended GPU if its tensors are or it is asked to."""
    packet = operator.overloadpacket
    tensors = [one for one in tree_leaves((given, named)) if isinstance(one, torch.Tensor)]
    theirs = [one for one in tensors if isinstance(one, OnGPU)]
    # A number without dimensions may come from the CPU.
    others = [one for one in tensors if not isinstance(one, OnGPU) and one.dim()]
    if theirs and others and packet not in ACROSS:
        shapes = [tuple(one.shape) for one in others]
        raise RuntimeError(f"{operator}: tensors {shapes} are on the CPU, others on the GPU")
    stays = is_gpu(named["device"]) if named.get("device") is not None else bool(theirs)
    if packet is aten.copy_:
        stays = isinstance(given[0], OnGPU)
    plain, options = tree_map(values_of, (given, named))
    if "device" in options:
        options["device"] = torch.device("cpu")
    results = operator(*plain, **options)
    # What an operator was given and changed in place, it gives back itself.
    known = {id(one.values): one for one in theirs} | {id(one): one for one in tensors}

    def as_given(result):
        if not isinstance(result, torch.Tensor) or id(result) in known:
            return known.get(id(result), result)
        return OnGPU(result) if stays else result

    return tree_map(as_given, results)


class Devices(TorchDispatchMode):
    """Tensors that are made on a GPU are made on the pretended one."""

    def __torch_dispatch__(self, operator, types, given=(), named=None):
        return compute(operator, given, named or {})


@contextlib.contextmanager
def pretended_gpu(capability=(8, 0)):
    """A GPU of this compute capability, whose tensors this package's layers take for plain ones."""
    processor.gpu_capability.cache_clear()
    with (
        patch.object(torch.cuda, "_lazy_init", lambda: None),
        patch.object(torch.cuda, "get_device_capability", lambda device=None: capability),
        patch.object(torch.version, "hip", None),
        patch.object(foldable, "Tensor", OnGPU),
        Devices(),
    ):
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor: first on the CPU, then copied
        try:
            yield GPU
        finally:
            torch._C._set_only_lift_cpu_tensors(False)
            processor.gpu_capability.cache_clear()
