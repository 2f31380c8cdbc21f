"""MMDetection's `CocoMetric` by faster-coco-eval, where that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from mmengine.registry import METRICS, DefaultScope

from ...configs.signatures import class_behind
from ...datasets.pipelines import kind_of


def with_faster_coco(evaluator: Any) -> Any:
    """An evaluator of a config whose `CocoMetric` uses faster-coco-eval.

    `use_mp_eval=True` in the config, and whatever is no dict, stays as it is.

    Args:
        evaluator: of a config, one or a list; stays as it is.
    """
    if isinstance(evaluator, list | tuple):
        return [with_faster_coco(one) for one in evaluator]
    if not isinstance(evaluator, Mapping) or kind_of(evaluator) != "CocoMetric":
        return evaluator
    if evaluator.get("use_mp_eval") or find_spec("faster_coco_eval") is None:
        return evaluator
    scope = DefaultScope.get_current_instance()
    found = class_behind(evaluator["type"], scope.scope_name if scope else None, [METRICS])
    from mmdet.evaluation import CocoMetric

    if found is not CocoMetric:  # of the user's own
        return evaluator
    from .coco_metric import FasterCocoMetric

    return {**evaluator, "type": FasterCocoMetric}
