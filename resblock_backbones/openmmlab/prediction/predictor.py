"""The trained model of a config, applied to images outside of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, MODELS, init_default_scope
from torch import nn

from ...data.errors import ImageError
from ...data.images.reading import Loader
from ...data.images.regions import Regions, open_regions
from ...data.images.whole import fault_of
from ...drawing.colours import Colour, palette_of
from ...options.errors import ConfigError, InputError
from ...prediction.prediction import Prediction
from ...resnet.network import FlexResNet
from ..configs.scopes import check_scope, import_scope, scope_of
from ..configs.signatures import class_behind
from ..datasets.images import LoadWholeImageFromFile
from ..datasets.views import use_views
from ..models.channels import link_channels
from ..models.model_weights import behind_wrappers, load_model_weights


class Predictor:
    """The model of a config with the weights of a checkpoint.

    Args:
        cfg: the config; channels of neck and heads are set to follow the backbone.
        checkpoint: with all the model's weights.
        device: where to compute.
        score_threshold: objects with a lower score are left out.
        views: scales of test-time augmentation, empty for mirrored images alone; None for none.

    Attributes:
        classes: names by label, from the checkpoint, else from the config; empty if neither has
            any.
        palette: the colour of each class.
        notes: lines to print.

    Raises:
        InputError: the config or the checkpoint is wrong, or they do not fit each other.
    """

    #: Whether predictions with a label map have `pixel_scores`.
    keeps_pixel_scores = False

    def __init__(
        self,
        cfg: Config,
        checkpoint: str,
        *,
        device: torch.device,
        score_threshold: float,
        views: Sequence[float] | None = None,
    ) -> None:
        if "model" not in cfg:
            raise ConfigError(f"{cfg.filename}: has no model")
        check_scope(cfg)
        import_scope(scope_of(cfg))
        init_default_scope(scope_of(cfg) or "mmengine")
        self.notes = link_channels(cfg.model)
        if views is not None:
            self.notes.append(use_views(cfg, views))
        self.dataset = dataset_of(cfg)
        steps = list(steps_without_annotations(cfg, self.dataset))
        self._load = LoadWholeImageFromFile(**_loading(steps))
        self._of_pixels = Compose(steps[1:])
        try:
            model = MODELS.build(cfg.model)
        except (TypeError, ValueError, KeyError) as error:
            raise ConfigError(f"{cfg.filename}: its model cannot be built: {error}") from error
        meta = load_model_weights(model, checkpoint)
        self.model = revert_sync_batchnorm(model).to(device).eval()
        self.score_threshold = score_threshold
        chosen = classes_and_palette(meta, self.dataset, scope_of(cfg))
        names = chosen.get("classes") or ()
        self.classes: tuple[str, ...] = (names,) if isinstance(names, str) else tuple(names)
        if not self.classes:
            self.notes.append(
                "neither the checkpoint nor the config names the classes: labels are numbers"
            )
        self.palette = palette_of(chosen.get("palette"), len(self.classes))

    def name_of(self, label: int) -> str:
        """The name of a class."""
        return self.classes[label] if label < len(self.classes) else str(label)

    def colour_of(self, label: int) -> Colour:
        """The colour of a class."""
        return self.palette[label % len(self.palette)]

    @property
    def loader(self) -> Loader:
        """How the config decodes images."""
        return Loader(self._load.color_type, self._load.imdecode_backend or "cv2")

    def read(self, file: Path) -> np.ndarray:
        """An image file as the config loads it, `(H, W)` or `(H, W, C)`.

        Raises:
            ImageError: it is damaged, or of a format that the loader does not know.
        """
        results = self._load.transform({"img_path": str(file)})
        if results is None:  # ignore_empty
            raise ImageError(f"{file}: {fault_of(file)}")
        return results["img"]

    def open(self, file: Path) -> Regions:
        """An image file, of which parts are read as the config loads it.

        Raises:
            ImageError: it is damaged, or of a format that the loader does not know.
        """
        return open_regions(file, self._load.decoded, self.read, self.loader)

    @property
    def stride(self) -> int:
        """Pixels of the image for a cell of the backbone's coarsest feature map."""
        backbone: Any = behind_wrappers(self.model).backbone
        if isinstance(backbone, FlexResNet):
            return max(backbone.out_strides)
        first: Any = next(one for one in backbone.modules() if isinstance(one, nn.Conv2d))
        with torch.inference_mode():
            maps = backbone(first.weight.new_zeros(1, first.in_channels, 256, 256))
        return 256 // min(one.shape[-1] for one in maps)

    def predict(
        self, images: Sequence[np.ndarray], files: Sequence[Path | None]
    ) -> list[Prediction]:
        """Predict images of :meth:`read` that have the same size."""
        data = []
        for image, file in zip(images, files, strict=True):
            size = image.shape[:2]
            info = {"img": image, "img_shape": size, "ori_shape": size, "img_id": 0}
            data.append(info | {"img_path": None if file is None else str(file)})
        return self._forward(data)

    def predict_frames(self, frames: Sequence[np.ndarray]) -> list[Prediction]:
        """Predict frames of a video, `(H, W, 3)`, BGR."""
        return self.predict([self._load.of_frame(one) for one in frames], [None] * len(frames))

    def _forward(self, data: list[dict[str, Any]]) -> list[Prediction]:
        inputs = [self._prepared(one) for one in data]
        with torch.inference_mode():
            return [self._read(result) for result in self.model.test_step(pseudo_collate(inputs))]

    def _prepared(self, one: dict[str, Any]) -> Any:
        """An image behind the test pipeline."""
        try:
            return self._of_pixels(one)
        except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
            told = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(f"test_dataloader.dataset.pipeline: a step fails: {told}") from error

    @property
    def _told(self) -> dict[str, Any]:
        return {"classes": self.classes, "palette": tuple(self.palette)}

    def _read(self, result: Any) -> Prediction:
        if hasattr(result, "pred_sem_seg"):
            label_map = result.pred_sem_seg.data[0].cpu().numpy()
            scores = self._pixel_scores(result) if self.keeps_pixel_scores else None
            return Prediction(label_map=label_map, pixel_scores=scores, **self._told)
        if not hasattr(result, "pred_instances") or not hasattr(result.pred_instances, "bboxes"):
            kinds = [name for name in result.keys() if name.startswith("pred")]  # noqa: SIM118
            raise InputError(
                f"the model returns {', '.join(kinds) or 'nothing'}; predict supports boxes, masks "
                "and label maps"
            )
        instances = result.pred_instances
        instances = instances[instances.scores >= self.score_threshold]
        masks = instances.get("masks")
        return Prediction(
            boxes=instances.bboxes.float().cpu().numpy(),
            labels=instances.labels.cpu().numpy(),
            scores=instances.scores.float().cpu().numpy(),
            masks=None if masks is None else np.asarray(torch.as_tensor(masks).cpu(), bool),
            **self._told,
        )

    def _pixel_scores(self, result: Any) -> np.ndarray | None:
        """Scores of the classes `(classes, H, W)`, of which the largest is the label."""
        if not hasattr(result, "seg_logits"):
            return None
        scores = result.seg_logits.data.float().cpu()
        if len(scores) == 1:  # a probability, compared with a threshold
            head: Any = behind_wrappers(self.model).decode_head
            threshold = float(head.threshold)
            scores = torch.cat([torch.full_like(scores, threshold), scores]).logit(1e-6)
        return scores.numpy()


def dataset_of(cfg: Config) -> Mapping[str, Any]:
    """The data set that a config tests on, without wrappers such as `RepeatDataset`."""
    for name in ("test_dataloader", "val_dataloader"):
        dataset = (cfg.get(name) or {}).get("dataset")
        while isinstance(dataset, Mapping):
            inner = dataset.get("dataset") or dataset.get("datasets")
            if not inner:
                return dataset
            dataset = inner[0] if isinstance(inner, Sequence) else inner
    return {}


def steps_without_annotations(
    cfg: Config, dataset: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """The steps of a config's test pipeline, without those that load annotations.

    Raises:
        ConfigError: it has none, or its first step does not read image files.
    """
    pipeline = dataset.get("pipeline") or cfg.get("test_pipeline")
    if not pipeline:
        raise ConfigError(f"{cfg.filename}: has no test_dataloader with a pipeline")
    for number, step in enumerate(pipeline):
        kind = _kind(step)
        if number == 0 and kind not in ("LoadImageFromFile", "LoadWholeImageFromFile"):
            raise ConfigError(
                f"{cfg.filename}: its test pipeline begins with {kind}; predict reads image files "
                "and needs LoadImageFromFile there"
            )
        if kind == "TestTimeAug":
            options = [
                column for column in step["transforms"] if not _kind(column[0]).startswith("Load")
            ]
            yield {**step, "transforms": options}
        elif number == 0 or not kind.startswith("Load"):
            yield step


def _loading(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Options of the config's image loader, without those of remote storage."""
    left_out = ("type", "backend_args", "file_client_args")
    return {name: value for name, value in steps[0].items() if name not in left_out}


def _kind(step: Mapping[str, Any]) -> str:
    kind = step.get("type")
    return kind.split(".")[-1] if isinstance(kind, str) else getattr(kind, "__name__", "")


def classes_and_palette(
    meta: Mapping[str, Any], dataset: Mapping[str, Any], scope: str | None
) -> dict[str, Any]:
    """`classes` and `palette` of the checkpoint, else the config, else the data set's class.

    A checkpoint of MMDetection 2.x or MMSegmentation 0.x has them in `meta` itself.
    """
    of_class = class_behind(dataset.get("type"), scope, [DATASETS])
    own = getattr(of_class, "METAINFO", {})
    chosen: dict[str, Any] = {}
    for source in (own, dataset.get("metainfo") or {}, meta, meta.get("dataset_meta") or {}):
        lower = {str(name).lower(): value for name, value in source.items()}
        chosen.update({name: lower[name] for name in ("classes", "palette") if lower.get(name)})
    if chosen.get("palette") == own.get("palette") and chosen.get("classes") != own.get("classes"):
        chosen.pop("palette", None)  # MMDetection's data sets keep it with other classes
    return chosen
