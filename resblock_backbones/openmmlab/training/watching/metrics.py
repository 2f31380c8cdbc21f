"""The names of a config's validation metrics, and which of them tells the best checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ....options.errors import ConfigError
from ...configs.nearest import nearest
from ...datasets.pipelines import kind_of

VALIDATION_LOSS = "val_loss"
PATIENCE = 5
COCO_ITEMS = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
COCO_RECALLS = ("AR@100", "AR@300", "AR@1000", "AR_s@1000", "AR_m@1000", "AR_l@1000")
#: What MMSegmentation's IoUMetric means by each of its `iou_metrics`.
IOU_ITEMS = {
    "mIoU": ("mIoU", "mAcc"),
    "mDice": ("mDice", "mAcc"),
    "mFscore": ("mFscore", "mPrecision", "mRecall"),
}


@dataclass(frozen=True)
class EarlyStop:
    """When training ends early.

    Attributes:
        metric: the name of a validation metric.
        patience: validations without a better value after which training ends.
    """

    metric: str
    patience: int = PATIENCE


def early_stop(text: str, cfg: Mapping[str, Any], *, val_loss: bool) -> EarlyStop:
    """Read `--early-stop METRIC[:PATIENCE]`.

    Args:
        text: what was given; the part before the slash of a name may be left out.
        cfg: the config.
        val_loss: whether the validation loss is computed.

    Raises:
        ConfigError: the config has no validation, no such metric, or the patience is no number.

    >>> cfg = dict(val_cfg=dict(type="ValLoop"), val_evaluator=dict(type="CocoMetric"))
    >>> early_stop("bbox_mAP:3", cfg, val_loss=False)
    EarlyStop(metric='coco/bbox_mAP', patience=3)
    """
    name, colon, number = text.rpartition(":") if ":" in text else (text, "", "")
    if colon and not (number.isdecimal() and int(number) > 0):
        raise ConfigError(
            f"--early-stop {text}: {number!r} is no number of validations; write {name}:{PATIENCE}"
        )
    patience = int(number) if colon else PATIENCE
    if not cfg.get("val_cfg") or not cfg.get("val_evaluator"):
        raise ConfigError("--early-stop: the config has no val_cfg and val_evaluator to watch")
    if name == VALIDATION_LOSS:
        if not val_loss:
            raise ConfigError(f"--early-stop {VALIDATION_LOSS}: needs --val-loss")
        return EarlyStop(name, patience)
    known, all_known = metric_names(cfg)
    matches = [one for one in known if one == name or one.rpartition("/")[2] == name]
    if name in known or len(matches) == 1:
        return EarlyStop(name if name in known else matches[0], patience)
    if not all_known and not matches:
        return EarlyStop(name, patience)  # an evaluator of the user's
    told = f"several are: {', '.join(matches)}" if matches else ""
    close = nearest(name, known, cutoff=0.6)
    listed = close or f"; there are {', '.join([*known[:12], VALIDATION_LOSS])}"
    raise ConfigError(
        f"--early-stop: {name!r} is no metric of val_evaluator" + (f"; {told}" if told else listed)
    )


def main_metric(cfg: Mapping[str, Any], *, val_loss: bool) -> str | None:
    """The metric by which the best checkpoint is chosen; None where none is known.

    Of boxes and masks that of the masks, which is what such a model is trained for.

    >>> main_metric(dict(val_evaluator=dict(type="CocoMetric")), val_loss=False)
    'coco/bbox_mAP'
    """
    known, _ = metric_names(cfg)
    ends = ("segm_mAP", "bbox_mAP", "mIoU", "mDice", "mFscore", "mAP", "AR@100")
    found = [name for end in ends for name in known if name.rpartition("/")[2] == end]
    if found:
        return found[0]
    return VALIDATION_LOSS if val_loss else None


def metric_names(cfg: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Names of the metrics of `val_evaluator`, and whether these are all of them."""
    given = cfg.get("val_evaluator") or []
    names: list[str] = []
    all_known = True
    for evaluator in given if isinstance(given, list | tuple) else [given]:
        prefix, found = _of_evaluator(evaluator, cfg)
        all_known &= bool(found)
        names += [f"{prefix}/{name}" if prefix else name for name in found]
    return names, all_known


def _of_evaluator(evaluator: Any, cfg: Mapping[str, Any]) -> tuple[str, list[str]]:
    kind = kind_of(evaluator)
    given = evaluator.get("prefix")
    if kind == "CocoMetric":
        return given or "coco", list(_coco_names(evaluator, cfg))
    if kind == "IoUMetric":
        chosen = _listed(evaluator.get("iou_metrics", ["mIoU"]))
        names = [name for one in chosen for name in IOU_ITEMS.get(one, ())]
        return given or "", list(dict.fromkeys(["aAcc", *names]))
    if kind == "VOCMetric":
        thresholds = evaluator.get("iou_thrs", 0.5)
        several = thresholds if isinstance(thresholds, list | tuple) else [thresholds]
        return given or "pascal_voc", ["mAP", *(f"AP{int(one * 100):02d}" for one in several)]
    return "", []


def _coco_names(evaluator: Mapping[str, Any], cfg: Mapping[str, Any]) -> Iterator[str]:
    items = evaluator.get("metric_items")
    for metric in _listed(evaluator.get("metric", "bbox")):
        if metric in ("bbox", "segm"):
            if evaluator.get("classwise"):
                dataset = (cfg.get("val_dataloader") or {}).get("dataset") or {}
                classes = (dataset.get("metainfo") or {}).get("classes") or ()
                if isinstance(classes, list | tuple):
                    yield from (f"{name}_precision" for name in classes)
            yield from (f"{metric}_{item}" for item in items or COCO_ITEMS)
        elif metric == "proposal":
            yield from items or COCO_RECALLS
        else:
            counts = evaluator.get("proposal_nums", (100, 300, 1000))
            yield from (f"AR@{count}" for count in counts)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
