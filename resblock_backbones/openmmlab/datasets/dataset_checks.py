"""Check before a run that the data is there and is what the config says.

Every message is one line that names the config key, the file, and where it helps the command that
makes the data.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from ...data.annotations.json_files import read_json
from ...data.errors import DatasetError
from ..configs.scopes import scope_of
from .class_counts import check_class_weights, check_num_classes
from .coco_data import CheckedData, Purpose, check_coco_data, classes_of, metrics_of
from .partners import check_evaluator, check_masks_are_loaded, check_shared_images
from .pipelines import check_pipelines
from .segmentation_checks import check_batches, check_segmentation

#: Keys under which data sets are wrapped in others (repeated, joined, mixed).
INNER = ("dataset", "datasets")


def check_datasets(
    cfg: Config, loaders: Sequence[str], *, write: bool = True, refuse: bool = True
) -> CheckedData:
    """Check the data sets of a config.

    Args:
        cfg: the whole config; its scope is imported already.
        loaders: which of its data loaders the run will use.
        write: whether copies of repaired annotation files are written, for a run.
        refuse: whether an error is raised; else all of them are in `errors`.

    Returns:
        Tables of what will be used, warnings, and the copies of annotation files that were
        repaired, in `<work dir>/annotations`.

    Raises:
        DatasetError: a folder, file, image or annotation is missing or wrong, or the classes do
            not match.
        ConfigError: a part of the config does not fit the data.
    """
    result = CheckedData(
        folder=Path(cfg.get("work_dir") or ".") if write else None, errors=None if refuse else []
    )
    for loader in loaders:
        part = cfg.get(loader) or {}
        evaluator = cfg.get(loader.replace("_dataloader", "_evaluator"))
        metrics, compared = metrics_of(evaluator)
        training = loader == "train_dataloader"
        sizes: set[tuple[int, int]] = set()
        for key, dataset in _leaves(part.get("dataset"), f"{loader}.dataset"):
            if not _is_remote(dataset):
                purpose = Purpose(key, training, compared and not training, metrics)
                with result.errors_kept():
                    classes, more = _check_dataset(cfg, dataset, purpose, result)
                    sizes |= more
                    result.classes.setdefault(loader, classes)
        with result.errors_kept():
            check_batches(part, cfg.get("model") or {}, sizes, loader)
            if not training:
                _check_evaluator_files(evaluator, loader.replace("_dataloader", "_evaluator"))
                check_evaluator(evaluator, part.get("dataset"), loader, read_json)
    for check in (
        lambda: check_shared_images(result),
        lambda: check_masks_are_loaded(cfg),
        lambda: check_pipelines(cfg, loaders),
    ):
        with result.errors_kept():
            check()
    return result


def _check_dataset(
    cfg: Config, dataset: Mapping[str, Any], purpose: Purpose, result: CheckedData
) -> tuple[tuple[str, ...], set[tuple[int, int]]]:
    """The classes of a data set, and the sizes of its images where they matter."""
    key, built = purpose.key, _dataset_class(cfg, dataset)
    root = dataset.get("data_root")
    if root and not Path(root).is_dir():
        raise DatasetError(f"{key}.data_root: there is no folder {root}{_how_to_make(root)}")
    for name, folder in (dataset.get("data_prefix") or {}).items():
        path = Path(root or "", folder or "")
        if folder and not path.is_dir():
            raise DatasetError(
                f"{key}.data_prefix.{name}: there is no folder {path}{_how_to_make(path)}"
            )
    annotations = _annotation_file(dataset)
    if annotations is not None and not annotations.is_file():
        raise DatasetError(
            f"{key}.ann_file: there is no file {annotations}{_how_to_make(annotations)}"
        )
    if not _is_a(built, ("CocoDataset", "BaseSegDataset")):
        return (), set()
    given = (dataset.get("metainfo") or {}).get("classes")
    default = getattr(built, "METAINFO", {}).get("classes")
    classes = classes_of(given, default, f"{key}.metainfo.classes")
    sizes: set[tuple[int, int]] = set()
    if annotations is not None and _reads_as(built, "CocoDataset"):
        check_coco_data(dataset, classes, purpose, result)
    elif built is not None and _reads_as(built, "BaseSegDataset"):
        sizes = check_segmentation(built, dataset, classes, purpose, result)
    if classes:
        check_num_classes(cfg.model, classes, key)
        check_class_weights(cfg.model, classes, key)
    return classes, sizes


def _leaves(dataset: Any, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The data sets that read files, inside those that wrap them."""
    if isinstance(dataset, list | tuple):
        for number, one in enumerate(dataset):
            yield from _leaves(one, f"{key}[{number}]")
    elif isinstance(dataset, Mapping):
        inner = [name for name in INNER if name in dataset]
        for name in inner:
            yield from _leaves(dataset[name], f"{key}.{name}")
        if not inner:
            yield key, dataset


def _check_evaluator_files(evaluators: Any, key: str) -> None:
    for one in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        file = one.get("ann_file") if isinstance(one, Mapping) else None
        if isinstance(file, str) and "://" not in file and not Path(file).is_file():
            raise DatasetError(f"{key}.ann_file: there is no file {file}{_how_to_make(file)}")


def _how_to_make(path: str | Path) -> str:
    """The command that makes the data, where it is ours to make."""
    for folder in (Path(path), *Path(path).parents):
        if folder.name == "shapes":
            return f"; make it with: resblock shapes --out {folder}"
    return ""


def _annotation_file(dataset: Mapping[str, Any]) -> Path | None:
    name = dataset.get("ann_file")
    return Path(dataset.get("data_root") or "", name) if name else None


def _is_remote(dataset: Mapping[str, Any]) -> bool:
    places = (dataset.get("data_root"), dataset.get("ann_file"))
    return bool(dataset.get("backend_args")) or any("://" in str(place) for place in places)


def _dataset_class(cfg: Config, dataset: Mapping[str, Any]) -> type | None:
    kind = dataset.get("type")
    if isinstance(kind, str):
        with DATASETS.switch_scope_and_registry(scope_of(cfg)) as registry:
            kind = registry.get(kind)
    return kind if inspect.isclass(kind) else None


def _is_a(built: type | None, names: tuple[str, ...]) -> bool:
    """By name, so that neither MMDetection nor MMSegmentation has to be there for the other."""
    return built is not None and any(owner.__name__ in names for owner in built.__mro__)


def _reads_as(built: type | None, name: str) -> bool:
    """Whether a data set reads its files as this class does, not in a way of its own."""
    if built is None:
        return False
    for method in ("load_data_list", "parse_data_info"):
        owners = [owner.__name__ for owner in built.__mro__ if method in vars(owner)]
        base = next((one for one in built.__mro__ if one.__name__ == name), None)
        if base is None or (method in vars(base) and owners[0] != name):
            return False
    return True
