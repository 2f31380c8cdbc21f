"""These tests call MMCV's own functions, which call this project's operators."""

import functools
import importlib

import pytest

pytest.importorskip("mmcv", reason="the operators stand in for MMCV's")

import torch  # noqa: E402
from pretended_gpu import OnGPU, pretended_gpu, values_of  # noqa: E402
from torch.utils._pytree import tree_leaves, tree_map  # noqa: E402

from resblock_backbones.openmmlab.ops import install  # noqa: E402
from resblock_backbones.openmmlab.ops.kernel import is_written_down  # noqa: E402
from resblock_backbones.openmmlab.ops.table import OPERATORS  # noqa: E402

install()

#: Largest difference, relative to the largest value; another order of sums gives it.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
CALLED = set()
#: Of a test in which compiled MMCV does something else on a GPU, and so do we.
OTHERWISE = {"test_an_overlap_of_exactly_the_threshold_is_suppressed"}


@pytest.fixture(autouse=True)
def the_same_on_a_gpu(request, monkeypatch):
    """An operator's first call with tensors of such types is repeated on a pretended GPU."""
    if request.node.name in OTHERWISE:
        return
    extension = importlib.import_module("mmcv._ext")

    def repeated(name, run):
        @functools.wraps(run)
        def both(*given, **named):
            kind = name, *(kind_of(one) for one in (*given, *named.values()))
            if kind in CALLED or is_written_down():
                return run(*given, **named)
            CALLED.add(kind)
            with torch.no_grad(), pretended_gpu() as gpu:
                copies = tree_map(functools.partial(on, gpu), (given, named))
                result = run(*copies[0], **copies[1])
            own = run(*given, **named)
            assert_same(name, (result, copies), (own, (given, named)))
            return own

        return both

    for name in OPERATORS:
        monkeypatch.setattr(extension, name, repeated(name, getattr(extension, name)))


def kind_of(one):
    return (one.dtype, one.numel() > 0) if isinstance(one, torch.Tensor) else None


def on(gpu, one):
    return one.detach().clone().to(gpu) if isinstance(one, torch.Tensor) else one


def assert_same(name, found, expected):
    """Results and tensors that were filled."""
    for one, other in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        if isinstance(other, torch.Tensor):
            assert isinstance(one, OnGPU), f"{name} gives a tensor on the CPU"
            one, other = values_of(one), other.detach()
            limit = TOLERANCE.get(other.dtype, 0)
            largest = (
                float(other.double().abs().nan_to_num(0, 0, 0).max()) if other.numel() else 0.0
            )
            torch.testing.assert_close(one, other, rtol=0, atol=limit * largest, equal_nan=True)
        else:
            assert one == other
