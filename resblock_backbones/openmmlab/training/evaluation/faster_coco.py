"""COCO's evaluation by faster-coco-eval, with pycocotools' numbers.

Only the matching of detections and the curves come from its C++; the twelve numbers are computed by
pycocotools' own code from the same arrays. A precision of one detection is 1 here and 1 - 2**-52
there, which adds the smallest of floats to its quotients.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from pycocotools.cocoeval import COCOeval


class FasterEvaluation(COCOeval):
    """pycocotools' `COCOeval`, whose `evaluate` and `accumulate` are faster-coco-eval's.

    The results of single images (`evalImgs`) are not kept. Proposals, which have no classes, are
    evaluated by pycocotools.
    """

    def evaluate(self) -> None:
        if not self.params.useCats or self.params.iouType not in ("bbox", "segm"):
            super().evaluate()
            return
        from faster_coco_eval import COCOeval_faster

        self.params.imgIds = list(np.unique(self.params.imgIds))
        self.params.catIds = list(np.unique(self.params.catIds))
        self.params.maxDets = sorted(self.params.maxDets)
        faster = COCOeval_faster(
            self.cocoGt, self.cocoDt, self.params.iouType, print_function=_nothing
        )
        for name in ("imgIds", "catIds", "maxDets", "iouThrs", "recThrs", "areaRng", "areaRngLbl"):
            setattr(faster.params, name, getattr(self.params, name))
        with _annotations_as_they_were(self.cocoGt):
            faster.evaluate()
            faster.accumulate()
        shape = [len(getattr(self.params, name)) for name in ("iouThrs", "recThrs", "catIds")]
        shape += [len(self.params.areaRng), len(self.params.maxDets)]
        without_recall = [shape[0], *shape[2:]]
        self.eval = {
            "params": self.params,
            "counts": shape,
            "precision": np.reshape(faster.eval["precision"], shape),
            "scores": np.reshape(faster.eval["scores"], shape),
            "recall": np.reshape(faster.eval["recall"], without_recall),
        }

    def accumulate(self, p: Any = None) -> None:
        if self.evalImgs or not self.eval:
            super().accumulate(p)


def _nothing(*values: Any) -> None:
    """In place of `print`."""


@contextlib.contextmanager
def _annotations_as_they_were(truth: Any) -> Iterator[None]:
    """Run lengths that are put beside each annotation are dropped: they take memory."""
    try:
        yield
    finally:
        for annotation in truth.anns.values():
            annotation.pop("rle", None)
