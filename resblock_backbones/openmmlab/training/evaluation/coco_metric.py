"""MMDetection's `CocoMetric`, evaluated by faster-coco-eval."""

from __future__ import annotations

from mmdet.evaluation import CocoMetric
from mmdet.evaluation.metrics import coco_metric

from .faster_coco import FasterEvaluation


class FasterCocoMetric(CocoMetric):
    """MMDetection's `CocoMetric`, evaluated by :class:`FasterEvaluation`."""

    def compute_metrics(self, results: list) -> dict[str, float]:
        before = coco_metric.COCOeval
        coco_metric.COCOeval = FasterEvaluation
        try:
            return super().compute_metrics(results)
        finally:
            coco_metric.COCOeval = before
