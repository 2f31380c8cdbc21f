"""What MMCV's Python in front of its operators gets wrong, corrected when it is imported.

Only where the operators are this package's: `bridge` installs the finder along with them. An MMCV
that is compiled stays as it is.
"""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import Any

import torch
from torch import Tensor


def take_any_batch(module: ModuleType) -> None:
    """Let `deform_conv2d` take batches of any size.

    It refuses those that are no multiple of `im2col_step`, the number of images that compiled MMCV
    computes at once; here nothing depends on that.
    """
    function = module.DeformConv2dFunction
    original = function.forward

    @functools.wraps(original)
    def forward(ctx: Any, input: Tensor, offset: Tensor, weight: Tensor, *settings: Any) -> Tensor:
        # stride, padding, dilation, groups, deform_groups, bias; then the step
        return original(ctx, input, offset, weight, *settings[:6], im2col_step=max(1, len(input)))

    function.forward = staticmethod(forward)


def keep_classes_together(module: ModuleType) -> None:
    """Let `batched_nms(class_agnostic=True)` do so with more boxes than `split_thr`.

    There it goes class by class, whatever it is asked for.
    """
    original = module.batched_nms

    @functools.wraps(original)
    def batched_nms(
        boxes: Tensor,
        scores: Tensor,
        idxs: Tensor,
        nms_cfg: Mapping[str, Any] | None,
        class_agnostic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        if (nms_cfg or {}).get("class_agnostic", class_agnostic):
            idxs = torch.zeros_like(idxs)
        return original(boxes, scores, idxs, nms_cfg, class_agnostic)

    module.__dict__["batched_nms"] = batched_nms


CORRECTIONS: dict[str, Callable[[ModuleType], None]] = {
    "mmcv.ops.deform_conv": take_any_batch,
    "mmcv.ops.nms": keep_classes_together,
}


class CorrectingLoader(SourceFileLoader):
    """Runs a module of MMCV's, then its correction."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        CORRECTIONS[module.__name__](module)


class CorrectingFinder(MetaPathFinder):
    """Finds the modules of `CORRECTIONS` where Python would, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in CORRECTIONS:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None or type(found.loader) is not SourceFileLoader:
            return None
        loader = CorrectingLoader(fullname, found.origin)
        return spec_from_file_location(fullname, found.origin, loader=loader)


def install_corrections() -> None:
    """Correct MMCV's modules as they are imported; calling it again changes nothing."""
    if not any(isinstance(finder, CorrectingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, CorrectingFinder())
