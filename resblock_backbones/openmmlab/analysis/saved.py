"""Predictions that were saved: by `resblock predict`, by `resblock test --out`, or COCO results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ...data.annotations.json_files import read_json
from ...data.image_numbers import ImageNumbers
from ...options.errors import InputError
from ...prediction.prediction import Prediction
from ...prediction.run_lengths import mask_of
from ...weights.reading.read import read_checkpoint
from .predictions import Predictions

PICKLES = (".pkl", ".pickle")
#: What predictions are of, by whether they are label maps.
KINDS = {False: "objects", True: "label maps"}


def of_file(
    name: str,
    infos: Mapping[int, Mapping[str, Any]],
    classes: Sequence[str],
    category_ids: Sequence[int] | None,
    *,
    of_maps: bool,
) -> Predictions:
    """Predictions out of a file or a folder.

    Args:
        name: `predictions.json` of `resblock predict`, its folder (for label maps), the `.pkl` of
            `resblock test --out`, or COCO's list of results.
        infos: of the images of the data set, by number.
        classes: names by label, of the data set.
        category_ids: of an annotation file, by label.
        of_maps: whether the data set has label maps; else it has objects.

    Raises:
        InputError: it is none of these, or is about other images or classes.
    """
    file, numbers = Path(name), ImageNumbers(infos)
    if file.is_dir() and (file / "predictions.json").is_file():
        file /= "predictions.json"
    if file.is_dir() != of_maps and file.suffix not in PICKLES and file.exists():
        raise InputError(
            f"{file}: holds {KINDS[file.is_dir()]}, and the data set has {KINDS[of_maps]}: "
            "they are of another config"
        )
    if file.is_dir():
        return _of_folder(file, numbers, classes)
    if file.suffix in PICKLES:
        return _of_pickle(file, numbers)
    content = read_json(file)
    if isinstance(content, list):
        return _of_list(file, content, numbers, category_ids)
    return _of_document(file, content, numbers, classes)


def _of_document(
    file: Path, content: Any, numbers: ImageNumbers, classes: Sequence[str]
) -> Predictions:
    """`predictions.json` of `resblock predict`."""
    try:
        images = {one["id"]: str(one["file_name"]) for one in content["images"]}
        labels = _labels(file, {one["id"]: one["name"] for one in content["categories"]}, classes)
        rows = [
            (one["image_id"], labels[one["category_id"]], one) for one in content["annotations"]
        ]
    except KeyError as error:
        raise InputError(f"{file}: is no file of predictions: it has no {error}") from error
    except TypeError as error:
        raise InputError(f"{file}: is no file of predictions, with images and objects") from error
    known = {
        one: number for one, name in images.items() if (number := numbers.of_file(name)) is not None
    }
    _refuse_others(file, list(images.values()), known)
    return _of_rows(file, rows, numbers, known, len(images) - len(known))


def _of_list(
    file: Path, content: list[Any], numbers: ImageNumbers, category_ids: Sequence[int] | None
) -> Predictions:
    """COCO's results: a list of objects."""
    ids = range(1, 1 + 10**6) if category_ids is None else category_ids
    labels = {one: label for label, one in enumerate(ids)}
    try:
        rows = [(one["image_id"], labels[one["category_id"]], one) for one in content]
    except KeyError as error:
        told = f"{error} is missing, or no category of the data set"
        raise InputError(f"{file}: is no list of COCO results: {told}") from error
    except TypeError as error:
        raise InputError(f"{file}: is no list of COCO results, which are objects") from error
    named = dict.fromkeys(one for one, _, _ in rows)
    known = {one: number for one in named if (number := numbers.of_id(one)) is not None}
    _refuse_others(file, [f"id {one}" for one in named], known)
    found = _of_rows(file, rows, numbers, known, len(named) - len(known))
    found.numbers = list(numbers.infos)  # images without objects are not in such a list
    found.findings = [one for one in found.findings if one[0] != "warning"]
    return found


def _of_rows(
    file: Path,
    rows: Sequence[tuple[Any, int, Mapping[str, Any]]],
    numbers: ImageNumbers,
    known: Mapping[Any, int],
    others: int,
) -> Predictions:
    by_number: dict[int, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    for place, (image, label, one) in enumerate(rows):
        if not isinstance(one.get("score"), int | float):
            raise InputError(f"{file}: is no file of predictions: object {place} has no score")
        if image in known:
            by_number[known[image]].append((label, one))
    with_masks = bool(rows) and all("segmentation" in one for _, _, one in rows)

    def of(number: int) -> Prediction:
        found = by_number[number]
        info = numbers.infos[number]
        masks = None
        if with_masks:
            size = (int(info["height"]), int(info["width"]))
            try:
                decoded = [mask_of(one["segmentation"], *size) for _, one in found]
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(f"{file}: a mask of {info['img_path']} is damaged") from error
            masks = np.array(decoded, bool).reshape(-1, *size) if _same(decoded, size) else None
            if masks is None:
                raise InputError(
                    f"{file}: masks of {info['img_path']} have another size than the image"
                )
        boxes = np.array([_box(file, one) for _, one in found], float).reshape(-1, 4)
        labels = np.array([label for label, _ in found], int)
        scores = np.array([one["score"] for _, one in found], float)
        return Prediction(boxes, labels, scores, masks)

    chosen = list(dict.fromkeys(known.values()))
    result = Predictions(of, chosen)
    _tell_images(result, file, others, len(numbers.infos) - len(chosen))
    _tell_cut(result, [one["score"] for _, _, one in rows])
    return result


def _same(masks: Sequence[np.ndarray], size: tuple[int, int]) -> bool:
    return all(one.shape == size for one in masks)


def _box(file: Path, one: Mapping[str, Any]) -> list[float]:
    """x1 y1 x2 y2."""
    box = one.get("bbox")
    if box is None and isinstance(one.get("segmentation"), Mapping):
        from pycocotools import mask as coco_mask

        box = coco_mask.toBbox(one["segmentation"]).tolist()
    try:
        x, y, width, height = map(float, box)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"{file}: bbox {box!r}: must be x, y, width, height") from error
    return [x, y, x + width, y + height]


def _of_pickle(file: Path, numbers: ImageNumbers) -> Predictions:
    """The `.pkl` of `resblock test --out`, of which nothing is run."""
    content = read_checkpoint(file)
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise InputError(f"{file}: is no file of `resblock test --out`, which holds a list")
    known: dict[int, dict[str, Any]] = {}
    for one in content:
        number = numbers.of_file(str(one["img_path"])) if one.get("img_path") else None
        if number is None and not one.get("img_path"):
            number = numbers.of_id(one.get("img_id"))
        if number is not None:
            known[number] = one
    names = [str(one.get("img_path", one.get("img_id"))) for one in content]
    _refuse_others(file, names, known)

    def of(number: int) -> Prediction:
        one = known[number]
        if "pred_sem_seg" in one:
            label_map = np.asarray(one["pred_sem_seg"]["data"])
            return Prediction(label_map=label_map.reshape(label_map.shape[-2:]).astype(int))
        found = one.get("pred_instances")
        if not isinstance(found, dict) or not {"bboxes", "labels", "scores"} <= found.keys():
            raise InputError(f"{file}: has neither boxes with scores nor label maps")
        masks = found.get("masks")
        if isinstance(masks, list):  # run lengths
            masks = np.array(
                [mask_of(each, *map(int, one["ori_shape"][:2])) for each in masks], bool
            )
            masks = masks.reshape(-1, *map(int, one["ori_shape"][:2]))
        return Prediction(
            boxes=torch.as_tensor(found["bboxes"]).double().numpy(),
            labels=torch.as_tensor(found["labels"]).numpy(),
            scores=torch.as_tensor(found["scores"]).double().numpy(),
            masks=None if masks is None else np.asarray(masks, bool),
        )

    result = Predictions(of, list(known))
    others, missing = len(content) - len(known), len(numbers.infos) - len(known)
    _tell_images(result, file, others, missing)
    _tell_cut(result, [score for number in known for score in _scores(known[number])])
    return result


def _scores(one: Mapping[str, Any]) -> list[float]:
    found = one.get("pred_instances")
    scores = found.get("scores") if isinstance(found, Mapping) else None
    return [] if scores is None else torch.as_tensor(scores).tolist()


def _of_folder(folder: Path, numbers: ImageNumbers, classes: Sequence[str]) -> Predictions:
    """Label maps that `resblock predict` wrote."""
    maps = folder / "labels" if (folder / "labels").is_dir() else folder
    names_file = maps.parent / "classes.json"
    files = sorted(maps.rglob("*.png"))
    if not files or not names_file.is_file():
        raise InputError(
            f"{folder}: holds no predictions: neither predictions.json, nor labels/*.png and "
            "classes.json of `resblock predict`"
        )
    try:
        names = {int(key): str(name) for key, name in read_json(names_file).items()}
        largest = max(names)
    except (AttributeError, ValueError) as error:
        told = "must give a name for each value of the label maps"
        raise InputError(f"{names_file}: {told}") from error
    labels = _labels(names_file, names, classes)
    known: dict[int, Path] = {}
    for file in files:
        number = numbers.of_file(str(file.relative_to(maps).with_suffix("")))
        if number is not None:
            known[number] = file
    _refuse_others(folder, [str(one.relative_to(maps)) for one in files], known)
    table = np.full(1 + largest, -1)
    table[list(labels)] = list(labels.values())

    def of(number: int) -> Prediction:
        values = np.asarray(Image.open(known[number])).astype(int)
        inside = values < len(table)
        return Prediction(label_map=np.where(inside, table[np.where(inside, values, 0)], -1))

    result = Predictions(of, list(known))
    others, missing = len(files) - len(known), len(numbers.infos) - len(known)
    _tell_images(result, folder, others, missing)
    return result


def _labels(file: Path, names: Mapping[int, str], classes: Sequence[str]) -> dict[int, int]:
    """Label of the data set by the number of a category."""
    if all(str(name).isdigit() for name in names.values()) and not set(names.values()) & {*classes}:
        found = {one: int(name) for one, name in names.items()}  # of a model without names
    else:
        strange = [name for name in names.values() if name not in classes]
        if strange:
            raise InputError(
                f"{file}: predicts {strange[0]!r}, which is no class of the config: "
                f"{', '.join(classes)}"
            )
        found = {one: list(classes).index(name) for one, name in names.items()}
    if any(label >= len(classes) for label in found.values()):
        raise InputError(f"{file}: has more classes than the config, which has {len(classes)}")
    return found


def _refuse_others(file: Path, named: Sequence[str], known: Mapping[Any, Any]) -> None:
    if not named:
        raise InputError(f"{file}: holds predictions of no image")
    if not known:
        raise InputError(
            f"{file}: is about other images: none of its {len(named)}, the first is {named[0]}, is "
            "in the data set of the config"
        )


def _tell_images(result: Predictions, file: Path, others: int, missing: int) -> None:
    if missing:
        result.findings.append(
            (
                "warning",
                f"{file}: has no predictions of {missing} images of the data set: this page is "
                f"about the other {len(result.numbers)}",
            )
        )
    if others:
        result.findings.append(
            ("note", f"{file}: {others} images are not in the data set, and were left out")
        )


def _tell_cut(result: Predictions, scores: Sequence[float]) -> None:
    result.cut_at = min(scores, default=0.0)
    result.cut_by = "of the saved predictions"
