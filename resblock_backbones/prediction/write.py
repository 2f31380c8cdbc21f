"""Predictions for images and videos, drawn and as files."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..console.progress import Progress
from ..data.errors import ImageError
from ..data.image_files import (
    SUFFIXES,
    ImageFile,
    batches_by_size,
    find_images,
    raise_unreadable,
)
from ..data.images.reading import image_of, size_of
from ..data.images.regions import reduced, size_of_regions
from ..data.images.whole import fault_of
from ..drawing.annotated import draw_annotated
from ..drawing.label_maps import legend_width
from ..files.whole import write_whole
from ..options.errors import InputError
from .files import CocoPredictions, write_label_map, write_png
from .model import Model
from .prediction import Prediction
from .slices import SlicedModel, Slices
from .videos import SUFFIXES as VIDEO_SUFFIXES
from .videos import Video, VideoWriter

#: Longer sides of drawings of images that are predicted in slices, in pixels.
LARGEST_DRAWING = 4096


@dataclass(frozen=True)
class PredictionSummary:
    """Summary of a run of :func:`predict_files`.

    Attributes:
        images: number of images and frames.
        objects: number of detected objects; None with a segmentation model.
        files: the files and folders that were written.
        notes: lines to print.
    """

    images: int
    objects: int | None
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def predict_files(
    open_model: Callable[[], Model],
    images: Sequence[str],
    out: str,
    *,
    score_threshold: float = 0.3,
    batch_size: int = 1,
    force: bool = False,
    slices: Slices | None = None,
    progress: bool = True,
) -> PredictionSummary:
    """Predict images and videos with a trained model, and write the results.

    `out/drawn/` gets every image with boxes, masks or label map drawn over it (a video becomes a
    video). Objects are written to `out/predictions.json` in COCO's format, label maps to
    `out/labels/` as PNG, and the names of their values to `out/classes.json`.

    Args:
        open_model: opens the model, once the images are known to be there.
        images: files, folders, glob patterns, videos.
        out: the output folder.
        score_threshold: of the model; checked here.
        batch_size: images in a batch; only images of the same size share one.
        force: replace existing files.
        slices: predict each image in these; drawings of large ones are then reduced.
        progress: whether to show progress on stderr.

    Raises:
        InputError: an argument, the model or an image is wrong. Images that cannot be read are
            reported after all others are done.
    """
    if not 0 <= score_threshold <= 1:
        raise InputError(f"--score-threshold {score_threshold}: must lie in 0 to 1")
    if batch_size < 1:
        raise InputError(f"--batch-size {batch_size}: must be at least 1")
    inputs = find_images(images, suffixes=SUFFIXES | VIDEO_SUFFIXES)
    folder = Path(out)
    _refuse_existing(folder, inputs, force)
    videos = {one: Video(one.path) for one in inputs if one.path.suffix.lower() in VIDEO_SUFFIXES}
    predictor = open_model()
    if slices is not None:
        predictor = SlicedModel(predictor, slices, batch_size=batch_size)
    stills = [one for one in inputs if one not in videos]
    unreadable = {
        one.path: f"{one.path}: {fault}" for one in stills if (fault := fault_of(one.path))
    }
    whole = [one for one in stills if one.path not in unreadable]
    results = _Results(predictor, folder, score_threshold)
    frames = sum(max(1, video.frames) for video in videos.values())
    if isinstance(predictor, SlicedModel):
        _predict_slices(predictor, results, whole, unreadable, progress)
        batches: list[list[ImageFile]] = []
    else:
        batches = batches_by_size(
            whole, batch_size, unreadable, lambda path: size_of(path, predictor.loader)
        )
    total = sum(map(len, batches)) + frames
    with Progress(total=max(1, total), title="images", show=progress and total > 0) as bar:
        for batch in batches:
            for _ in _predict_batch(predictor, results, batch, unreadable):
                bar.step()
        for one, video in videos.items():
            for _ in _predict_video(predictor, results, one, video, batch_size):
                bar.step()
    done = results.close()
    raise_unreadable(unreadable, len(stills))
    return done


class _Results:
    """Writes drawings and label maps one by one, and the files about all images at the end."""

    def __init__(self, predictor: Model, folder: Path, score_threshold: float) -> None:
        self.predictor, self.folder = predictor, folder
        self.score_threshold = score_threshold
        self.coco = CocoPredictions(predictor.classes, predictor.dataset)
        self.legend = legend_width(list(predictor.classes))
        self.count = 0
        self.has_maps = False

    def add(
        self,
        image: Image.Image,
        prediction: Prediction,
        file: ImageFile,
        *,
        size: tuple[int, int] | None = None,
        **frame: Any,
    ) -> Image.Image:
        """Add the prediction for an image; returns the image with the prediction drawn.

        Args:
            image: to draw over.
            prediction: for the image.
            file: of the image.
            size: width and height of the image where another one, reduced, is drawn over.
            frame: of a video.
        """
        self.count += 1
        if prediction.label_map is None:
            self.coco.add(file.path, size or image.size, prediction, **frame)
        else:
            self.has_maps = True
            name = f"{file.name}/{frame['frame_id']:06d}" if frame else str(file.name)
            write_label_map(prediction.label_map, self.folder / "labels" / f"{name}.png")
        predictor, note = self.predictor, f"score ≥ {self.score_threshold:g}"
        if size is not None and size != image.size:
            factor = -(-size[0] // image.width)
            prediction, note = prediction.reduced(factor), f"{note}; 1/{factor} of its size"
        return draw_annotated(
            image,
            prediction,
            predictor.name_of,
            predictor.colour_of,
            legend=self.legend,
            note=note,
        )

    def close(self) -> PredictionSummary:
        """Write the files about all images."""
        files = []
        if self.count:
            files.append(self.folder / "drawn")
        if self.has_maps:
            names = {str(label): name for label, name in enumerate(self.predictor.classes)}
            write_whole(self.folder / "classes.json", json.dumps(names, indent=1).encode())
            files += [self.folder / "labels", self.folder / "classes.json"]
        elif self.count:
            self.coco.write(self.folder / "predictions.json")
            files.append(self.folder / "predictions.json")
        objects = None if self.has_maps else len(self.coco.annotations)
        return PredictionSummary(self.count, objects, tuple(files), tuple(self.predictor.notes))


def _predict_batch(
    predictor: Model, results: _Results, batch: list[ImageFile], unreadable: dict[Path, str]
) -> Iterator[None]:
    """Predict images of the same size; yields once for each of them."""
    read: list[tuple[ImageFile, np.ndarray]] = []
    for one in batch:
        try:
            read.append((one, predictor.read(one.path)))
        except ImageError as error:
            unreadable[one.path] = str(error)
            yield
    if not read:
        return
    predictions = predictor.predict([pixels for _, pixels in read], [one.path for one, _ in read])
    for (one, pixels), prediction in zip(read, predictions, strict=True):
        drawn = results.add(image_of(pixels), prediction, one)
        write_png(drawn, results.folder / "drawn" / f"{one.name}.png")
        yield


def _predict_slices(
    predictor: SlicedModel,
    results: _Results,
    images: Sequence[ImageFile],
    unreadable: dict[Path, str],
    progress: bool,
) -> None:
    """Predict images of any size, slice by slice."""
    counts: dict[ImageFile, int] = {}
    for one in images:
        try:
            size = size_of_regions(one.path, predictor.loader)
            counts[one] = len(predictor.slices.of(size))
        except ImageError as error:
            unreadable[one.path] = str(error)
    with Progress(total=max(1, sum(counts.values())), title="slices", show=progress) as bar:
        for one in counts:
            try:
                image = predictor.open(one.path)
                prediction = predictor.predict_regions(image, bar.step)
                seen = reduced(image, LARGEST_DRAWING)
            except ImageError as error:
                unreadable[one.path] = str(error)
                continue
            size = (image.size[1], image.size[0])
            del image  # it may be all in memory
            drawn = results.add(seen, prediction, one, size=size)
            write_png(drawn, results.folder / "drawn" / f"{one.name}.png")


def _predict_video(
    predictor: Model, results: _Results, file: ImageFile, video: Video, batch_size: int
) -> Iterator[None]:
    """Predict the frames of a video; yields once for each of them."""
    frames = enumerate(video)
    with VideoWriter(results.folder / "drawn" / file.name, video.rate) as writer:
        while batch := list(itertools.islice(frames, batch_size)):
            predictions = predictor.predict_frames([frame for _, frame in batch])
            for (number, frame), prediction in zip(batch, predictions, strict=True):
                image = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
                drawn = results.add(
                    image, prediction, file, frame_id=number, seconds=number / video.rate
                )
                writer.write(np.asarray(drawn))
                yield


def _refuse_existing(folder: Path, inputs: Sequence[ImageFile], force: bool) -> None:
    if force:
        return
    ours = [folder / name for name in ("predictions.json", "classes.json")]
    ours += [folder / "drawn" / f"{one.name}.png" for one in inputs]
    for file in ours:
        if file.exists():
            raise InputError(
                f"{file}: already exists; give another --out, or --force to replace it"
            )
