"""The images of a data set of a config: as they are stored, and as the pipeline gives them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from ...analysis.ground_truth import GroundTruth
from ...options.errors import ConfigError, InputError
from ..configs.read import read_config
from ..configs.scopes import check_scope, scope_of
from ..datasets.copies import with_copies
from ..datasets.images import image_as_loaded
from ..datasets.palette import palette_of_dataset
from ..training.screen import quiet_pycocotools
from .annotations import annotations_of, packed_annotations


@dataclass
class Samples:
    """A built data set, asked for one image after the other.

    Attributes:
        dataset: of MMDetection or MMSegmentation.
        classes: names by label.
    """

    dataset: Any
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        self.palette = palette_of_dataset(self.dataset)

    def name_of(self, label: int) -> str:
        """The name of a class, or the number of what is none."""
        return self.classes[label] if 0 <= label < len(self.classes) else str(label)

    def colour_of(self, label: int) -> tuple[int, int, int]:
        """The colour of a class."""
        return self.palette[label % len(self.palette)]

    def numbers(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Numbers and annotations of the images, each file once.

        `RepeatDataset` and `ClassBalancedDataset` give an image several numbers.
        """
        seen = set()
        for number in range(len(self.dataset)):
            info = self.dataset.get_data_info(number)
            if info["img_path"] not in seen:
                seen.add(info["img_path"])
                yield number, info

    def file_name(self, number: int) -> str:
        """The name of an image's file."""
        return Path(self.dataset.get_data_info(number)["img_path"]).name

    def raw(self, number: int) -> tuple[Any, GroundTruth]:
        """An image and its annotations as they are stored."""
        leaf, place = _leaf(self.dataset, number)
        info = leaf.get_data_info(place)
        image = image_as_loaded(leaf, info)
        if info.get("seg_map_path") and "instances" not in info:
            label_map = self.label_map(number)
            name = Path(info["img_path"]).name
            return image, GroundTruth(name, image.size, label_map=label_map)
        masks = any(getattr(step, "with_mask", False) for step in leaf.pipeline.transforms)
        return image, annotations_of(info, image.size if masks else None)

    def label_map(self, number: int) -> np.ndarray:
        """The label map of an image as the pipeline's `LoadAnnotations` reads it."""
        leaf, place = _leaf(self.dataset, number)
        steps = [
            step
            for step in leaf.pipeline.transforms
            if "Annotations" in type(step).__name__ and type(step).__name__.startswith("Load")
        ]
        if not steps:
            raise ConfigError("the pipeline has no LoadAnnotations: there are no label maps in it")
        info = leaf.get_data_info(place)
        return np.asarray(steps[0](info)["gt_seg_map"]).astype(int)

    def draw(self, number: int, seed: int) -> tuple[Any, GroundTruth] | None:
        """An image and its annotations out of the pipeline; None where it leaves nothing.

        Args:
            number: of the image.
            seed: of everything random in the pipeline, other draws for each image.
        """
        seed = (1009 * number + seed) % 2**32
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  transforms draw from NumPy's global generator
        torch.manual_seed(seed)
        leaf, place = _leaf(self.dataset, number)
        # A data set puts another image in place of one of which nothing is left.
        whole = hasattr(self.dataset, "dataset") and hasattr(self.dataset, "pipeline")
        packed = self.dataset[number] if whole else leaf.prepare_data(place)
        name = Path(leaf.get_data_info(place)["img_path"]).name
        return None if packed is None else packed_annotations(name, packed)


def read_split(
    config: str, split: str, cfg_options: Mapping[str, Any] | None
) -> tuple[Config, str]:
    """A config, and the name of its loader of a split.

    Raises:
        ConfigError: the config cannot be read, or has no such loader.
    """
    cfg = read_config(config, cfg_options)
    check_scope(cfg)
    loader = f"{split}_dataloader"
    if not cfg.get(loader):
        raise ConfigError(f"{config}: has no {loader}")
    return cfg, loader


def open_samples(cfg: Config, loader: str, copies: Mapping[Path, Path]) -> Samples:
    """Build the data set of a loader.

    Args:
        cfg: the config.
        loader: such as `train_dataloader`.
        copies: annotation file -> the repaired copy that is read in its place.

    Raises:
        ConfigError: it cannot be built.
    """
    quiet_pycocotools()
    init_default_scope(scope_of(cfg) or "mmengine")
    try:
        dataset = DATASETS.build(with_copies(cfg[loader]["dataset"], copies))
    except InputError:
        raise
    except Exception as error:  # data sets raise whatever their files lead to
        told = " ".join(str(error).split())
        raise ConfigError(f"{loader}.dataset: cannot be built: {told}") from error
    return Samples(dataset, tuple(dataset.metainfo.get("classes") or ()))


def evenly(numbers: Sequence[int], count: int) -> list[int]:
    """Some of many numbers, from the first to the last.

    >>> evenly(range(9), 3)
    [0, 4, 8]
    """
    if len(numbers) <= count:
        return list(numbers)
    places = np.linspace(0, len(numbers) - 1, count).round().astype(int)
    return [numbers[int(place)] for place in places]


def _leaf(dataset: Any, number: int) -> tuple[Any, int]:
    """The data set that reads files, behind those that join or repeat, and the number there."""
    while True:
        if hasattr(dataset, "datasets"):
            which, number = dataset._get_ori_dataset_idx(number)
            dataset = dataset.datasets[which]
        elif hasattr(dataset, "dataset"):
            if hasattr(dataset, "_get_ori_dataset_idx"):
                number = dataset._get_ori_dataset_idx(number)
            dataset = dataset.dataset
        else:
            return dataset, number
