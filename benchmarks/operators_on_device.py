"""A plugin of pytest: every operator that a test calls is called again on a device, and compared.

    export RESBLOCK_DEVICE=cuda PYTHONPATH=benchmarks
    python -m pytest -p operators_on_device tests/openmmlab/ops

Backward passes are operators of their own. Calls in float32 are repeated in half precision and in
bfloat16, if the operator takes them. At the end stands how many calls of which operators agreed;
one that did not fails the test that made it.
"""

from __future__ import annotations

import copy
import functools
import importlib
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

DEVICE = os.environ.get("RESBLOCK_DEVICE", "cuda")
#: Largest difference, relative to the largest value of the CPU's answer in the same type.
TOLERANCES = {
    torch.float64: 1e-9,
    torch.float32: 1e-3,
    torch.float16: 2e-2,
    torch.bfloat16: 1e-1,
}
CALLS: Counter[tuple[str, str]] = Counter()
UNTAKEN: Counter[tuple[str, str]] = Counter()


def converted(value: Any, device: str, dtype: torch.dtype | None) -> Any:
    """A copy of an argument on a device, its float32 tensors in ``dtype`` if that is given."""
    if isinstance(value, Tensor):
        change = dtype if value.dtype == torch.float32 else None
        return value.detach().clone().to(device, change or value.dtype)
    if isinstance(value, list | tuple):
        return type(value)(converted(part, device, dtype) for part in value)
    return copy.copy(value)


def tensors_of(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in tensors_of(part)]
    return []


def compare(
    name: str, run: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]
) -> None:
    """Run on the CPU and on the device, in each type, and compare results and filled tensors."""
    single = any(tensor.dtype == torch.float32 for tensor in tensors_of([given, *named.values()]))
    for dtype in (None, torch.float16, torch.bfloat16) if single else (None,):
        results = []
        for device in ("cpu", DEVICE):
            arguments = converted(given, device, dtype)
            keywords = {key: converted(value, device, dtype) for key, value in named.items()}
            try:
                with torch.no_grad():
                    result = run(*arguments, **keywords)
            except (RuntimeError, NotImplementedError, ValueError, TypeError):
                if device == "cpu":  # the CPU does not take this type either
                    break
                raise
            results.append(tensors_of([result, arguments, *keywords.values()]))
        label = str(dtype or "as called").removeprefix("torch.")
        if len(results) < 2:
            UNTAKEN[name, label] += 1
            continue
        for number, (ours, theirs) in enumerate(zip(*results, strict=True)):
            check(f"{name}, {label}, tensor {number}", ours, theirs)
        CALLS[name, label] += 1


def check(what: str, expected: Tensor, found: Tensor) -> None:
    """Compare shapes, types and values.

    Raises:
        AssertionError: they differ.
    """
    assert found.device.type == torch.device(DEVICE).type or not found.numel(), f"{what}: on CPU"
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), what
    if not expected.numel():
        return
    found = found.cpu()
    if not expected.is_floating_point():
        assert torch.equal(found, expected), what
        return
    limit = TOLERANCES[expected.dtype]
    assert torch.equal(found.isfinite(), expected.isfinite()), f"{what}: not finite elsewhere"
    expected, found = (one.double().nan_to_num(0, 0, 0) for one in (expected, found))
    difference = float((found - expected).abs().max()) / max(float(expected.abs().max()), 1e-6)
    assert difference <= limit, f"{what}: differs by {difference:.1e}"


def pytest_configure(config: Any) -> None:
    """Put the comparison around every operator, before the tests import MMCV's functions."""
    from resblock_backbones.openmmlab.ops import install
    from resblock_backbones.openmmlab.ops.table import OPERATORS

    install()
    extension = importlib.import_module("mmcv._ext")
    for name in OPERATORS:
        run = getattr(extension, name)

        @functools.wraps(run)
        def both(*given: Any, _run: Any = run, _name: str = name, **named: Any) -> Any:
            if not any(one.device.type != "cpu" for one in tensors_of([given, *named.values()])):
                compare(_name, _run, given, named)
            return _run(*given, **named)

        setattr(extension, name, both)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    from resblock_backbones.openmmlab.ops.table import OPERATORS

    names = {name for name, _ in CALLS}
    terminalreporter.write_line(
        f"{len(names)} of {len(OPERATORS)} operators agree on {DEVICE} in {sum(CALLS.values())} "
        f"calls; not called: {', '.join(sorted(OPERATORS.keys() - names)) or 'none'}"
    )
