"""Predictions for images and videos: what `tools/predict.py` calls."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...console.progress import Progress
from ...data.errors import ImageError
from ...data.image_files import (
    SUFFIXES,
    ImageFile,
    batches_by_size,
    find_images,
    tell_broken,
)
from ...data.images.reading import image_of, size_of
from ...data.images.whole import fault_of
from ...files.whole import write_whole
from ...options.devices import find_device
from ...options.errors import ConfigError, InputError
from ..configs.read import read_config
from .drawings import draw_found, legend_width
from .files import CocoPredictions, write_label_map, write_png
from .predictor import Found, Predictor
from .videos import SUFFIXES as VIDEO_SUFFIXES
from .videos import Video, VideoWriter


@dataclass(frozen=True)
class Predicted:
    """What was written.

    Attributes:
        images: how many images and frames were looked at.
        objects: how many objects were found; None of a segmentation model.
        files: what was written, for the reader.
        notes: lines for the reader.
    """

    images: int
    objects: int | None
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def predict(
    config: str,
    checkpoint: str,
    images: Sequence[str],
    out: str,
    *,
    score_threshold: float = 0.3,
    device: str | None = None,
    batch_size: int = 1,
    force: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Predicted:
    """Ask a trained model about images, and write what it sees.

    `out/drawn/` gets every image with boxes, masks or label map drawn over it (a video becomes a
    video). Objects are written to `out/predictions.json` as COCO has them, label maps to
    `out/labels/` as PNG, whose values `out/classes.json` names.

    Args:
        config: the config file.
        checkpoint: with all the model's weights.
        images: files, folders, patterns with stars, videos.
        out: the folder to write to.
        score_threshold: objects below it are neither drawn nor written.
        device: where to compute; None is a GPU where there is one.
        batch_size: images at once; images of one size share a batch.
        force: replace what is there.
        cfg_options: dotted key -> value, merged into the config.
        progress: whether to show progress on stderr.

    Raises:
        InputError: something is wrong with what was given; the message is one line. Images that
            cannot be read are told when all others are done.
    """
    if not 0 <= score_threshold <= 1:
        raise ConfigError(f"--score-threshold {score_threshold}: must lie in 0 to 1")
    if batch_size < 1:
        raise ConfigError(f"--batch-size {batch_size}: must be at least 1")
    try:
        where = find_device(device)
        given = find_images(images, suffixes=SUFFIXES | VIDEO_SUFFIXES)
    except ValueError as error:
        raise ImageError(str(error)) from error
    folder = Path(out)
    _refuse_what_is_there(folder, given, force)
    videos = {one: Video(one.path) for one in given if one.path.suffix.lower() in VIDEO_SUFFIXES}
    cfg = read_config(config, cfg_options)
    predictor = Predictor(cfg, checkpoint, device=where, score_threshold=score_threshold)
    stills = [one for one in given if one not in videos]
    broken = {one.path: f"{one.path}: {fault}" for one in stills if (fault := fault_of(one.path))}
    whole = [one for one in stills if one.path not in broken]
    batches = batches_by_size(
        whole, batch_size, broken, lambda path: size_of(path, predictor.loader)
    )
    results = _Results(predictor, folder)
    total = sum(map(len, batches)) + sum(max(1, video.frames) for video in videos.values())
    with Progress(total=max(1, total), title="images", show=progress) as bar:
        for batch in batches:
            for _ in _predict_batch(predictor, results, batch, broken):
                bar.step()
        for one, video in videos.items():
            for _ in _predict_video(predictor, results, one, video, batch_size):
                bar.step()
    done = results.close()
    tell_broken(broken, len(stills))
    return done


class _Results:
    """Writes what is found, as it comes; the files that hold all of it at the end."""

    def __init__(self, predictor: Predictor, folder: Path) -> None:
        self.predictor, self.folder = predictor, folder
        self.coco = CocoPredictions(predictor.classes, predictor.dataset)
        self.legend = legend_width(list(predictor.classes))
        self.count = 0
        self.has_maps = False

    def add(self, image: Image.Image, found: Found, file: ImageFile, **frame: Any) -> Image.Image:
        """Keep what was found in an image; returns it drawn."""
        self.count += 1
        if found.label_map is None:
            self.coco.add(file.path, image.size, found, **frame)
        else:
            self.has_maps = True
            name = f"{file.name}/{frame['frame_id']:06d}" if frame else str(file.name)
            write_label_map(found.label_map, self.folder / "labels" / f"{name}.png")
        predictor = self.predictor
        return draw_found(image, found, predictor.name_of, predictor.colour_of, legend=self.legend)

    def close(self) -> Predicted:
        """Write the files that hold all results."""
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
        return Predicted(self.count, objects, tuple(files), tuple(self.predictor.notes))


def _predict_batch(
    predictor: Predictor, results: _Results, batch: list[ImageFile], broken: dict[Path, str]
) -> Iterator[None]:
    """Predict images of one size; yields once for each of them."""
    read: list[tuple[ImageFile, np.ndarray]] = []
    for one in batch:
        try:
            read.append((one, predictor.read(one.path)))
        except ImageError as error:
            broken[one.path] = str(error)
            yield
    if not read:
        return
    answers = predictor.ask([pixels for _, pixels in read], [one.path for one, _ in read])
    for (one, pixels), found in zip(read, answers, strict=True):
        drawn = results.add(image_of(pixels), found, one)
        write_png(drawn, results.folder / "drawn" / f"{one.name}.png")
        yield


def _predict_video(
    predictor: Predictor, results: _Results, file: ImageFile, video: Video, batch_size: int
) -> Iterator[None]:
    """Predict the frames of a video; yields once for each of them."""
    frames = enumerate(video)
    with VideoWriter(results.folder / "drawn" / file.name, video.rate) as writer:
        while batch := list(itertools.islice(frames, batch_size)):
            answers = predictor.ask_frames([frame for _, frame in batch])
            for (number, frame), found in zip(batch, answers, strict=True):
                image = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
                drawn = results.add(
                    image, found, file, frame_id=number, seconds=number / video.rate
                )
                writer.write(np.asarray(drawn))
                yield


def _refuse_what_is_there(folder: Path, given: Sequence[ImageFile], force: bool) -> None:
    if force:
        return
    ours = [folder / name for name in ("predictions.json", "classes.json")]
    ours += [folder / "drawn" / f"{one.name}.png" for one in given]
    for file in ours:
        if file.exists():
            raise InputError(
                f"{file}: already exists; give another --out, or --force to replace it"
            )
