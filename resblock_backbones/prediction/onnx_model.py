"""A whole model in an ONNX file, run by ONNX Runtime alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.images.reading import Loader, decoded, image_of, read_image
from ..data.images.regions import Regions, open_regions
from ..drawing.colours import Colour, palette_of
from ..files.model_card import CARD, Card
from ..options.errors import InputError
from .prediction import Prediction


class OnnxModel:
    """What `resblock export` has written, asked about images.

    Args:
        file: the `.onnx` file.
        score_threshold: objects with a lower score are left out.

    Attributes:
        card: what the file tells about the model.
        classes, palette: names and colours by label.

    Raises:
        InputError: there is no such file, it is damaged, or no whole model of this package's; or
            ONNX Runtime is not installed.
    """

    notes: tuple[str, ...] = ()
    dataset: Mapping[str, Any] = {}
    loader = Loader()
    #: Whether predictions with a label map have `pixel_scores`, of files that give logits.
    keeps_pixel_scores = False
    #: Not told by a file; that of nearly all backbones.
    stride = 32

    def __init__(self, file: str | Path, *, score_threshold: float = 0.0) -> None:
        self.file = file
        self.session = _session(Path(file).expanduser())
        metadata = self.session.get_modelmeta().custom_metadata_map
        if CARD not in metadata:
            inputs = ", ".join(one.name for one in self.session.get_inputs())
            raise InputError(
                f"{file}: its metadata has no {CARD}, so it is not known what its input "
                f"({inputs}) takes and its outputs are; `resblock export CONFIG CHECKPOINT` "
                "writes it"
            )
        self.card = Card.from_json(metadata[CARD])
        self.score_threshold = score_threshold
        self.classes = self.card.classes
        self.palette = palette_of(self.card.palette, len(self.classes))
        (self._input,) = self.session.get_inputs()

    @property
    def input_name(self) -> str:
        """The name of the input."""
        return str(self._input.name)

    def as_input(self, images: np.ndarray) -> np.ndarray:
        """RGB images `(N, H, W, 3)` as the file takes them, `(N, 3, H, W)`."""
        kind = np.uint8 if self._input.type == "tensor(uint8)" else np.float32
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2).astype(kind))

    def name_of(self, label: int) -> str:
        """The name of a class."""
        return self.classes[label] if label < len(self.classes) else str(label)

    def colour_of(self, label: int) -> Colour:
        """The colour of a class."""
        return self.palette[label % len(self.palette)]

    def read(self, file: Path) -> np.ndarray:
        """An image file, `(H, W, 3)`, BGR.

        Raises:
            ImageError: it is damaged, or no image.
        """
        return np.asarray(read_image(file))[..., ::-1]

    def open(self, file: Path) -> Regions:
        """An image file, of which parts are read.

        Raises:
            ImageError: it is damaged, or no image.
        """
        return open_regions(file, lambda contents: decoded(contents, file), self.read)

    def predict(
        self, images: Sequence[np.ndarray], files: Sequence[Path | None] = ()
    ) -> list[Prediction]:
        """Predict images `(H, W, 3)`, BGR, uint8, of the same size."""
        height, width = images[0].shape[:2]
        inputs = [resized(np.asarray(image_of(one)), self.card) for one in images]
        fixed = [one for one in self._input.shape if isinstance(one, int)]
        scale = inputs[0].shape[1] / width, inputs[0].shape[0] / height
        if len(fixed) == 4:  # one image of one size
            single = []
            for image in inputs:
                canvas, more = _fitted(image, (fixed[2], fixed[3]), self.card)
                single += self.run(
                    canvas[None], (height, width), (scale[0] * more, scale[1] * more)
                )
            return single
        return self.run(np.stack(inputs), (height, width), scale)

    def predict_frames(self, frames: Sequence[np.ndarray]) -> list[Prediction]:
        """Predict frames of a video, `(H, W, 3)`, BGR."""
        return self.predict(frames)

    def run(
        self, images: np.ndarray, size: tuple[int, int], scale: tuple[float, float]
    ) -> list[Prediction]:
        """Predict RGB images `(N, H, W, 3)`, which were `size` before they were scaled.

        Raises:
            InputError: ONNX Runtime cannot do it; it says why.
        """
        x = self.as_input(images)
        try:
            outputs = self.session.run(list(self.card.outputs), {self._input.name: x})
        except Exception as error:  # of the runtime's own kinds
            shape = "x".join(map(str, x.shape))
            raise InputError(
                f"{self.file}: fails for images of {shape}: {' '.join(str(error).split())}"
            ) from error
        found = dict(zip(self.card.outputs, outputs, strict=True))
        return [self._prediction(found, index, size, scale) for index in range(len(x))]

    def _prediction(
        self,
        found: Mapping[str, np.ndarray],
        index: int,
        size: tuple[int, int],
        scale: tuple[float, float],
    ) -> Prediction:
        told: dict[str, Any] = {"classes": self.classes, "palette": tuple(self.palette)}
        if "logits" in found:
            logits = [_used(one, size, scale) for one in found["logits"][index]]
            threshold = self.card.score_threshold
            label_map = _likeliest(logits, size, threshold)
            scores = _scores(logits, size, threshold) if self.keeps_pixel_scores else None
            return Prediction(label_map=label_map, pixel_scores=scores, **told)
        if "label_map" in found:
            used = _used(found["label_map"][index], size, scale)
            return Prediction(label_map=_nearest(used, size), **told)
        count = int(found["num_detections"][index])
        sure = found["scores"][index, :count] >= self.score_threshold
        boxes = found["boxes"][index, :count][sure] / np.array([*scale, *scale], np.float32)
        boxes = np.clip(boxes, 0, np.array([size[1], size[0]] * 2, np.float32))
        masks = None
        if "masks" in found:
            given = found["masks"][index, :count][sure]
            if self.card.masks == "raw":
                masks = _pasted(given, boxes, size)
            else:
                masks = np.zeros((len(given), *size), bool)
                for mask, one in zip(masks, given, strict=True):
                    mask[:] = _nearest(_used(one, size, scale), size)
        return Prediction(
            boxes,
            found["labels"][index, :count][sure],
            found["scores"][index, :count][sure],
            masks,
            **told,
        )


def _session(file: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{file}: onnxruntime is not installed; pip install 'resblock_backbones[runtime]'"
        ) from error
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised too
    try:
        return onnxruntime.InferenceSession(
            str(file), options, providers=onnxruntime.get_available_providers()
        )
    except Exception as error:  # of the runtime's own kinds
        raise InputError(f"{file}: ONNX Runtime cannot read it: {error}") from error


def resized(image: np.ndarray, card: Card) -> np.ndarray:
    """An image at the size at which the model was tested."""
    import cv2

    if card.size is None or card.resize == "none":
        return image
    height, width = image.shape[:2]
    target = card.size
    if card.resize == "keep_ratio":
        longer, shorter = max(card.size), min(card.size)
        factor = min(longer / max(height, width), shorter / min(height, width))
        target = int(width * factor + 0.5), int(height * factor + 0.5)
    if target == (width, height):
        return image
    return cv2.resize(image, target, interpolation=cv2.INTER_LINEAR)


def _fitted(image: np.ndarray, size: tuple[int, int], card: Card) -> tuple[np.ndarray, float]:
    """An image in the upper left of one of a fixed size, and how it was scaled for that."""
    import cv2

    height, width = image.shape[:2]
    factor = min(1.0, size[0] / height, size[1] / width)
    if factor < 1:
        image = cv2.resize(image, (max(1, int(width * factor)), max(1, int(height * factor))))
    canvas = np.full((*size, 3), round(float(np.mean(card.mean or (0,)))), np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas, factor


def _used(values: np.ndarray, size: tuple[int, int], scale: tuple[float, float]) -> np.ndarray:
    """The part of a map that is not padding."""
    return values[: max(1, round(size[0] * scale[1])), : max(1, round(size[1] * scale[0]))]


def _nearest(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map at another size."""
    rows = np.minimum(np.arange(size[0]) * values.shape[0] // size[0], values.shape[0] - 1)
    columns = np.minimum(np.arange(size[1]) * values.shape[1] // size[1], values.shape[1] - 1)
    return values[rows[:, None], columns]


def _likeliest(logits: Sequence[np.ndarray], size: tuple[int, int], threshold: float) -> np.ndarray:
    """The class of each pixel, of maps `(h, w)` for each class brought to a size, `(H, W)`."""
    import cv2

    label_map = np.zeros(size, np.int64)
    best: np.ndarray | None = None
    for label, given in enumerate(logits):
        one = cv2.resize(given, size[::-1], interpolation=cv2.INTER_LINEAR)
        if len(logits) == 1:
            return (1 / (1 + np.exp(-one.clip(-60, 60))) > threshold).astype(np.int64)
        if best is None:
            best = one
        label_map[one > best] = label
        best = np.maximum(best, one)
    return label_map


def _scores(logits: Sequence[np.ndarray], size: tuple[int, int], threshold: float) -> np.ndarray:
    """Scores of the classes `(classes, H, W)`, of which the largest is the label."""
    import cv2

    scores = [cv2.resize(one, size[::-1], interpolation=cv2.INTER_LINEAR) for one in logits]
    if len(scores) == 1:
        limit = np.clip(threshold, 1e-6, 1 - 1e-6)
        scores.insert(0, np.full_like(scores[0], np.log(limit / (1 - limit))))
    return np.stack(scores)


def _pasted(masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Probabilities `(N, h, w)` laid over boxes: `(N, H, W)`, bool."""
    pasted = np.zeros((len(masks), *size), bool)
    for mask, (x1, y1, x2, y2), whole in zip(masks, boxes, pasted, strict=True):
        weights = []
        for first, last, length, cells in (
            (y1, y2, size[0], mask.shape[0]),
            (x1, x2, size[1], mask.shape[1]),
        ):
            place = (np.arange(length) + 0.5 - first) / max(last - first, 1e-6) * cells - 0.5
            weights.append(np.clip(1 - np.abs(place[:, None] - np.arange(cells)), 0, None))
        whole[:] = weights[0] @ mask @ weights[1].T >= 0.5
    return pasted
