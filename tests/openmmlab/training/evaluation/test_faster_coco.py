"""faster-coco-eval and pycocotools give the same twelve numbers."""

import copy

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmengine.structures import InstanceData
from pycocotools import mask as masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from resblock_backbones.openmmlab.training.evaluation.choose import with_faster_coco

pytest.importorskip("faster_coco_eval")
from resblock_backbones.openmmlab.training.evaluation.coco_metric import (  # noqa: E402
    FasterCocoMetric,
)
from resblock_backbones.openmmlab.training.evaluation.faster_coco import (  # noqa: E402
    FasterEvaluation,
)

SIDE = 160
CLASSES = 3


def run_lengths(mask, *, plain):
    """COCO's two ways to write a mask: compressed, or as a list of counts."""
    if plain:
        flat = np.concatenate([[0], mask.flatten(order="F"), [2]])
        ends = np.flatnonzero(np.diff(flat))
        return {"size": [SIDE, SIDE], "counts": np.diff(ends, prepend=0).tolist()}
    found = masks.encode(np.asfortranarray(mask))
    return found | {"counts": found["counts"].decode()}


def ellipse(x, y, w, h):
    rows, columns = np.ogrid[:SIDE, :SIDE]
    inside = ((columns - x - w / 2) * 2 / w) ** 2 + ((rows - y - h / 2) * 2 / h) ** 2 <= 1
    return inside.astype(np.uint8)


def make(images=24):
    """Ground truth with crowds, objects marked `ignore`, all sizes, polygons and both run lengths,
    images without objects and a class without any; detections with equal scores, over a hundred in
    an image, in empty images, and of the wrong class.
    """
    dice = np.random.default_rng(0)
    truth = {
        "images": [{"id": one, "width": SIDE, "height": SIDE} for one in range(1, images + 1)],
        "categories": [{"id": one, "name": str(one)} for one in range(1, CLASSES + 2)],
        "annotations": [],
    }
    detections = []

    def detect(image, label, box, score):
        x, y, w, h = box
        mask = run_lengths(ellipse(x, y, max(w, 1), max(h, 1)), plain=False)
        one = {"image_id": image, "category_id": label, "bbox": [x, y, w, h]}
        detections.append(one | {"score": score, "segmentation": mask})

    for image in range(1, images + 1):
        crowded = image == 2
        for number in range(dice.integers(0, 8) if image % 5 else 0):
            w, h = np.exp(dice.uniform(np.log(4), np.log(140), 2)).tolist()
            x, y = (dice.random(2) * (SIDE - np.array([w, h]))).tolist()
            kind = number % 3
            crowd = int(dice.random() < 0.15)
            corners = [[x, y, x + w, y, x + w, y + h, x, y + h]]
            one = {
                "id": len(truth["annotations"]) + 1,
                "image_id": image,
                "category_id": int(dice.integers(1, CLASSES + 1)),
                "bbox": [x, y, w, h],
                "area": float(w * h * dice.uniform(0.5, 1)),
                "iscrowd": crowd,
                "segmentation": corners
                if kind == 0 and not crowd
                else run_lengths(ellipse(x, y, w, h), plain=kind == 1 or bool(crowd)),
            }
            truth["annotations"].append(one | ({"ignore": 1} if dice.random() < 0.1 else {}))
            for _ in range(60 if crowded else dice.integers(0, 4)):
                moved = np.array([x, y, w, h]) + dice.normal(0, 0.08, 4) * [w, h, w, h]
                right = one["category_id"] if dice.random() < 0.8 else 1
                detect(image, right, np.maximum(moved, 1).tolist(), round(dice.random(), 1))
        detect(image, CLASSES, [5.0, 5.0, 20.0, 30.0], 0.5)
    return truth, detections


MADE = make()


def evaluated(kind, evaluation, most):
    truth = COCO()
    truth.dataset = copy.deepcopy(MADE[0])
    truth.createIndex()
    # As MMDetection does: with a box beside it a mask would have the area of the box.
    left_out = "bbox" if kind == "segm" else "segmentation"
    found = [{k: v for k, v in one.items() if k != left_out} for one in copy.deepcopy(MADE[1])]
    one = evaluation(truth, truth.loadRes(found), kind)
    one.params.maxDets = list(most)
    one.evaluate()
    one.accumulate()
    one.summarize()
    return one


def test_the_case_has_crowds_ignored_objects_and_empty_images():
    truth, detections = MADE
    with_objects = {one["image_id"] for one in truth["annotations"]}
    assert sum(one["iscrowd"] for one in truth["annotations"]) > 5
    assert sum(one.get("ignore", 0) for one in truth["annotations"]) > 3
    assert len({one["image_id"] for one in detections} - with_objects) > 3


@pytest.mark.parametrize("most", [(1, 10, 100), (100, 300, 1000)], ids=str)
@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_all_twelve_numbers_are_equal(kind, most):
    expected, found = (evaluated(kind, one, most) for one in (COCOeval, FasterEvaluation))
    assert (expected.stats > 0).all() and len(expected.stats) == 12
    np.testing.assert_allclose(found.stats, expected.stats, rtol=0, atol=2**-52)
    for name in ("recall", "scores"):
        np.testing.assert_array_equal(found.eval[name], expected.eval[name])
    np.testing.assert_allclose(
        found.eval["precision"], expected.eval["precision"], rtol=0, atol=2**-52
    )
    assert not any("rle" in one for one in found.cocoGt.anns.values())


def test_the_metric_of_configs_gives_the_same_table():
    results = {}
    for kind in (CocoMetric, FasterCocoMetric):
        metric = kind(metric=["bbox", "segm", "proposal"], classwise=True)
        metric._coco_api = _mmdetections_coco()
        metric.dataset_meta = {"classes": [str(one) for one in range(1, CLASSES + 2)]}
        for image in MADE[0]["images"]:
            metric.process({}, [sample(image["id"])])
        results[kind] = metric.evaluate(len(MADE[0]["images"]))
    first, second = ({name: str(value) for name, value in one.items()} for one in results.values())
    assert first == second and len(first) == 12 + 6 + CLASSES + 1
    assert first["coco/segm_mAP"] not in ("0.0", "-1.0", "nan")


def _mmdetections_coco():
    from mmdet.datasets.api_wrappers import COCO as WithMoreNames

    made = WithMoreNames()
    made.dataset = copy.deepcopy(MADE[0])
    made.createIndex()
    made.img_ann_map, made.cat_img_map = made.imgToAnns, made.catToImgs
    return made


def sample(image):
    found = [one for one in MADE[1] if one["image_id"] == image]
    boxes = torch.tensor([one["bbox"] for one in found], dtype=torch.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    predicted = InstanceData(
        bboxes=boxes,
        scores=torch.tensor([one["score"] for one in found], dtype=torch.float64),
        labels=torch.tensor([one["category_id"] - 1 for one in found], dtype=torch.long),
    )
    predicted = dict(predicted.items()) | {"masks": [one["segmentation"] for one in found]}
    return {"pred_instances": predicted, "img_id": image, "ori_shape": (SIDE, SIDE)}


def test_only_mmdetections_own_metric_is_replaced():
    class Mine(CocoMetric):
        pass

    Mine.__name__ = "CocoMetric"
    given = [
        {"type": CocoMetric, "metric": "bbox"},
        {"type": Mine},
        {"type": CocoMetric, "use_mp_eval": True},
    ]
    before = copy.deepcopy(given)
    first, *others = with_faster_coco(given)
    assert first == {"type": FasterCocoMetric, "metric": "bbox"}
    assert others == given[1:] and given == before
