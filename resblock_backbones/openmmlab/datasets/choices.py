"""What a model needs to know of a data set: image size, batch, length, anchors, class weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...data.errors import DatasetError
from ...data.formats.writing import Written
from ...options.checks import check_choice
from ...options.errors import ConfigError

#: Model -> the config that comes along, its learning rate, and the batch that this is for.
MODELS = {
    "faster-rcnn": ("faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py", 0.001, 4),
    "mask-rcnn": ("mask_rcnn/mask-rcnn_flexr18-half_fpn_shapes.py", 0.001, 4),
    "retinanet": ("retinanet/retinanet_flexr18-half_fpn_shapes.py", 0.002, 4),
    "fcos": ("fcos/fcos_flexr18-half_fpn_shapes.py", 0.001, 4),
    "deeplabv3plus": ("deeplabv3plus/deeplabv3plus_flexr18-half-d16_shapes.py", 0.003, 8),
}
#: From scratch on a half-width ResNet-18 the mAP of small sets settles after so many iterations.
ITERATIONS = 1500
#: A segmentor of more than six classes takes so many more for each, up to three times as many.
ITERATIONS_PER_CLASS = 200
#: With fewer images a class a segmentor learns these images by heart, unless they are varied.
IMAGES_PER_CLASS = 50
SMALLEST_IMAGE, LARGEST_IMAGE = 128, 640
#: Words of class names that a mirror turns into another class.
SIDES = {"left", "right", "links", "rechts", "gauche", "droite", "izquierda", "derecha"}
#: Anchors begin at a stride of 4 times their scale; the default scale is 8.
FIRST_STRIDE, ANCHOR_SCALE = 4, 8


@dataclass(frozen=True)
class Choices:
    """What was chosen for a data set, and why.

    Attributes:
        model: a key of :data:`MODELS`.
        depth, width: of the backbone.
        imgsz: images are resized to this longer side.
        batch: images at once in training.
        epochs: passes over the training images.
        iterations: the same in batches.
        lr: learning rate for this batch.
        anchor_scale: of Faster and Mask R-CNN, times the stride; 8 is their default.
        levels: of RetinaNet and FCOS, from stride 8.
        flip: training images are mirrored at random.
        vary: images and label maps are resized and turned at random in training.
        class_weights: of a label map's classes, in their order; empty for objects.
        reasons: name of a value -> why it was chosen.
    """

    model: str
    depth: int
    width: float
    imgsz: int
    batch: int
    epochs: int
    iterations: int
    lr: float
    anchor_scale: int
    levels: int
    flip: bool
    vary: bool
    class_weights: tuple[float, ...]
    reasons: dict[str, str]


def choose(
    data: Written,
    *,
    model: str | None = None,
    depth: int = 18,
    width: float = 0.5,
    epochs: int | None = None,
    imgsz: int | None = None,
    batch: int | str = "auto",
    cuda: bool = False,
) -> Choices:
    """Choose what was not given.

    Args:
        data: the data set.
        model: one of :data:`MODELS`; default: by what is annotated.
        depth, width, epochs, imgsz, batch: as given on a command line.
        cuda: whether a GPU computes.

    Raises:
        ConfigError: a value is wrong, or the model needs other annotations.
    """
    reasons = {}
    if model is None:
        model = "deeplabv3plus" if data.kind == "label maps" else "faster-rcnn"
        reasons["model"] = f"for {data.kind}"
    try:
        check_choice("--model", model, list(MODELS))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    _check_kind(model, data)
    for name, value, least in (
        ("epochs", epochs, 1),
        # Smaller ones are a single pixel in the last stage, which a norm cannot take alone.
        ("imgsz", imgsz, 64),
        ("batch", None if batch == "auto" else batch, 1),
    ):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ConfigError(f"--{name} {value}: has to be a whole number, at least {least}")
    longer = float(np.median([max(size) for size in data.image_sizes]))
    if imgsz is None:
        imgsz = int(np.clip(32 * round(longer / 32), SMALLEST_IMAGE, LARGEST_IMAGE))
        reasons["imgsz"] = f"the longer sides of the images are {longer:g} pixels (median)"
    _, lr, base_batch = MODELS[model]
    images = data.images["train"]
    least_batch = 2 if data.kind == "label maps" else 1
    if batch == "auto":
        batch = base_batch
        # Few images in large batches are few steps; a GPU has room for more at once.
        while batch > least_batch and images < 8 * batch:
            batch //= 2
        while cuda and batch < 16 and images >= 400 * batch:
            batch *= 2
        reasons["batch"] = f"{images} images to train on"
    batch = int(batch)
    if batch < least_batch:
        raise ConfigError(f"--batch {batch}: the norm behind a pooled map needs two images at once")
    if epochs is None:
        needed = ITERATIONS
        if data.kind == "label maps":
            needed += ITERATIONS_PER_CLASS * min(15, max(0, len(data.classes) - 6))
        epochs = int(np.clip(round(needed * batch / images), 1, 300))
        if data.kind == "objects":
            epochs = max(15, epochs)
        reasons["epochs"] = f"{epochs * -(-images // batch)} iterations from scratch"
    iterations = epochs * -(-images // batch)
    sizes = np.sqrt(data.sizes.prod(axis=1)) * imgsz / longer
    scale, levels = _anchors(sizes, reasons)
    return Choices(
        model=model,
        depth=depth,
        width=width,
        imgsz=imgsz,
        batch=batch,
        epochs=epochs,
        iterations=iterations,
        lr=round(lr * (batch / base_batch) ** 0.5, 6),
        anchor_scale=scale,
        levels=levels,
        flip=_may_flip(data.classes, reasons),
        vary=_must_vary(data, reasons),
        class_weights=class_weights(data, reasons),
        reasons=reasons,
    )


def _check_kind(model: str, data: Written) -> None:
    wanted = "label maps" if model == "deeplabv3plus" else "objects"
    if data.kind != wanted:
        raise ConfigError(f"--model {model}: learns from {wanted}, and {data.root} has {data.kind}")
    if model == "mask-rcnn" and not data.has_masks:
        raise ConfigError(
            f"--model mask-rcnn: needs a mask for every object, and {data.root} ({data.format}) "
            "has boxes alone; --model faster-rcnn learns from these"
        )
    if not data.classes or (wanted == "objects" and not sum(data.counts.values())):
        raise DatasetError(f"{data.root}: no objects to learn from")


def _anchors(sizes: np.ndarray, reasons: dict[str, str]) -> tuple[int, int]:
    """The scale of the smallest anchors, and how many levels the largest objects need."""
    if not len(sizes):
        return ANCHOR_SCALE, 3
    small, large = (float(value) for value in np.percentile(sizes, [10, 95]))
    scale = ANCHOR_SCALE
    # An anchor of twice an object's side overlaps it by a quarter, too little to be matched.
    while scale > 2 and FIRST_STRIDE * scale > 2 * small:
        scale //= 2
    levels = 3
    while levels < 5 and 2**levels * 4 * 4 * 1.6 < large:
        levels += 1
    reasons["anchors"] = (
        f"objects are {small:.0f} to {large:.0f} pixels large as the model sees them"
    )
    return scale, levels


def _may_flip(classes: Sequence[str], reasons: dict[str, str]) -> bool:
    """Whether the mirror image of an object is one of the same class, as far as names tell."""
    sided = [one for one in classes if SIDES & set(re.split(r"[^a-z]+", one.lower()))]
    signs = [one for one in classes if len(one.strip()) == 1 and one.strip().isalnum()]
    if sided:
        reasons["flip"] = f"{sided[0]!r} would be another class in a mirror"
    elif 2 * len(signs) > len(classes):
        reasons["flip"] = f"letters and digits ({signs[0]!r}, ...) are others in a mirror"
    else:
        reasons["flip"] = "no class is named by a side or a letter"
        return True
    return False


def _must_vary(data: Written, reasons: dict[str, str]) -> bool:
    """Whether the images of a segmentor are too few to be learnt from as they are."""
    images, classes = data.images["train"], len(data.classes)
    few = data.kind == "label maps" and images < IMAGES_PER_CLASS * classes
    reasons["vary"] = f"{images} images for {classes} classes are few"
    return few


def class_weights(data: Written, reasons: dict[str, str]) -> tuple[float, ...]:
    """A small weight for a class of most pixels, which else is all that is learnt at first.

    Args:
        data: of label maps; of objects there are no weights.
        reasons: receives why.
    """
    if data.kind != "label maps":
        return ()
    total = max(1, sum(data.counts.values()))
    share = max(data.counts.values()) / total
    # With a smaller weight objects grow beyond their edges.
    large = 0.5 if share <= 0.9 else 0.25
    weights = tuple(large if data.counts[name] > total / 2 else 1.0 for name in data.classes)
    reasons["class weights"] = f"the most frequent class has {share:.0%} of all pixels"
    return weights
