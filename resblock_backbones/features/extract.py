"""Features of many images, in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import functional as F

from ..console.progress import Progress
from ..data.errors import ImageError
from ..data.image_files import (
    ImageFile,
    batches_by_size,
    raise_unreadable,
)
from ..data.images.reading import read_image
from ..options.checks import check_choice, check_int
from ..weights.pixels import Pixels
from .boxes import Boxes, vectors_of
from .drawing import draw_features
from .feature_files import BoxFeatures, Features, Format, need_safetensors, write_features


@dataclass(frozen=True)
class Extraction:
    """Summary of an extraction.

    Attributes:
        written: number of files written.
        skipped: number of files that already existed.
        strides: of the feature maps, by name.
        channels: of the feature maps, by name.
    """

    written: int
    skipped: int
    strides: dict[str, int]
    channels: dict[str, int]


def extract_features(
    net: nn.Module,
    pixels: Pixels,
    images: Sequence[ImageFile],
    out: Path,
    *,
    file_format: Format = "npz",
    dtype: torch.dtype = torch.float32,
    size: int | None = None,
    batch_size: int = 8,
    device: str | torch.device = "cpu",
    show: bool = False,
    existing: str = "refuse",
    boxes: Mapping[ImageFile, Boxes] | None = None,
    progress: bool = True,
) -> Extraction:
    """Write the feature maps of each image, or a vector of each box, to a file under ``out``.

    Images of the same size share a batch. Nothing is padded, so the features do not depend on the
    other images. Images that cannot be read are reported after all others are done.

    Args:
        net: the backbone, ``(N, 3, H, W)`` to a tuple of ``(N, C, H / stride, W / stride)``.
        pixels: the preprocessing that the backbone expects.
        images: the images.
        out: the output folder.
        file_format: ``'npz'`` or ``'safetensors'``.
        dtype: of the saved features: ``torch.float32`` or ``torch.float16``.
        size: resize the shorter side of the images to this; None keeps their size.
        batch_size: maximum number of images in a batch.
        device: where to compute.
        show: also draw the feature maps, as ``.png`` beside each file.
        existing: what to do if files already exist: ``'refuse'``, ``'replace'`` or ``'keep'``.
        boxes: of the images, by :func:`read_boxes`; a vector of each is written in place of the
            feature maps.
        progress: whether to show progress on stderr.

    Raises:
        ImageError: files already exist, or images could not be read, or have other sizes than
            those that their boxes are for.
        ValueError: an argument is wrong, or the network does not return a tuple of feature maps.
    """
    check_choice("existing", existing, ["refuse", "replace", "keep"])
    check_choice("format", file_format, ["npz", "safetensors"])
    check_int("batch-size", batch_size)
    if size is not None:
        check_int("size", size)
    if boxes is not None and show:
        raise ValueError("show: draws feature maps, and vectors of boxes are none")
    if file_format == "safetensors":
        need_safetensors()
    targets = {one: out / one.name.with_name(f"{one.name.name}.{file_format}") for one in images}
    there = [one for one, file in targets.items() if file.exists()]
    if there and existing == "refuse":
        raise ImageError(
            f"{targets[there[0]]}: already exists ({len(there)} of {len(targets)} files do); "
            "--force replaces them, --keep extracts the others"
        )
    wanted = [one for one in images if existing != "keep" or one not in there]
    _check_channels(net)
    net.to(device).eval()
    extractor = _Extractor(net, pixels, size, torch.device(device), dtype, boxes)
    broken: dict[Path, str] = {}
    batches = batches_by_size(wanted, batch_size, broken)
    written = 0
    with (
        ThreadPoolExecutor(max_workers=4) as pool,
        Progress(total=sum(map(len, batches)), title="images", show=progress) as bar,
    ):
        for batch in batches:
            read = [
                _fitting(image, one, boxes)
                for image, one in zip(batch, pool.map(_read, batch), strict=True)
            ]
            for image, one in zip(batch, read, strict=True):
                if isinstance(one, ImageError):
                    broken[image.path] = str(one)
                    bar.step()
            whole = [
                (image, one)
                for image, one in zip(batch, read, strict=True)
                if isinstance(one, Image.Image)
            ]
            for image, features, seen in extractor.run(whole):
                write_features(targets[image], features)
                if show and isinstance(features, Features):
                    draw_features(features, seen, targets[image].with_suffix(".png"))
                written += 1
                bar.step()
    raise_unreadable(broken, len(images))
    return Extraction(written, len(images) - written, extractor.strides, extractor.channels)


def _check_channels(net: nn.Module) -> None:
    """Refuse a network for other images than photos, as of a satellite's thirteen bands."""
    first = next((one for one in net.modules() if isinstance(one, nn.Conv2d)), None)
    if first is not None and first.in_channels > 3:
        raise ValueError(
            f"the network takes {first.in_channels} channels, these images have 3; bands= "
            "(--bands) names three of the weights' channels, or compute the features in Python, "
            "from arrays with all channels"
        )


class _Extractor:
    """The network with its preprocessing, and the names and strides of its outputs."""

    def __init__(
        self,
        net: nn.Module,
        pixels: Pixels,
        size: int | None,
        device: torch.device,
        dtype: torch.dtype,
        boxes: Mapping[ImageFile, Boxes] | None,
    ) -> None:
        self.net, self.pixels, self.size = net, pixels, size
        self.device, self.dtype, self.boxes = device, dtype, boxes
        # Checkpoints may be in double precision.
        self.number = next((one.dtype for one in net.parameters()), torch.float32)
        first = next((one for one in net.modules() if isinstance(one, nn.Conv2d)), None)
        self.grey = first is not None and first.in_channels == 1
        self.strides: dict[str, int] = {}
        self.channels: dict[str, int] = {}

    @torch.inference_mode()
    def run(
        self, images: Sequence[tuple[ImageFile, Image.Image]]
    ) -> list[tuple[ImageFile, Features | BoxFeatures, Image.Image]]:
        """Features of images of one size, each with the resized image."""
        if not images:
            return []
        seen = [one if self.size is None else F.resize(one, self.size) for _, one in images]
        if self.grey:
            seen = [one.convert("L") for one in seen]
        x = torch.stack([self.pixels(one) for one in seen]).to(self.device, self.number)
        if self.grey:
            x = x[:, :1]  # the three channels of a grey image are equal
        named = self._named(self.net(x), x)
        height, width = x.shape[-2:]
        strides, done = tuple(self.strides.values()), []
        for index, (image, whole) in enumerate(images):
            maps = {name: one[index] for name, one in named.items()}
            features: Features | BoxFeatures
            if self.boxes is None:
                maps = {name: one.to("cpu", self.dtype) for name, one in maps.items()}
                features = Features(maps, strides, str(image.path), (height, width))
            else:
                features = self._of_boxes(maps, image, whole.size, (height, width))
            done.append((image, features, seen[index]))
        return done

    def _of_boxes(
        self,
        maps: Mapping[str, Tensor],
        image: ImageFile,
        whole: tuple[int, int],
        size: tuple[int, int],
    ) -> BoxFeatures:
        assert self.boxes is not None
        found = self.boxes[image]
        scale = torch.tensor([size[1] / whole[0], size[0] / whole[1]] * 2)
        vectors, strides = vectors_of(maps, tuple(self.strides.values()), found.boxes * scale)
        return BoxFeatures(
            vectors.to("cpu", self.dtype),
            found.boxes,
            found.category_ids,
            found.ids,
            strides,
            str(image.path),
            size,
        )

    def _named(self, outputs: Any, x: Tensor) -> dict[str, Tensor]:
        outputs = [outputs] if isinstance(outputs, Tensor) else outputs
        four_dimensional = isinstance(outputs, list | tuple) and all(
            isinstance(one, Tensor) and one.dim() == 4 for one in outputs
        )
        if not four_dimensional:
            raise ValueError(
                f"{type(self.net).__name__} returns a {type(outputs).__name__}, not feature maps "
                "(N, C, H, W); give a backbone"
            )
        info = getattr(self.net, "feature_info", None)
        names = info.module_name() if info else [f"map{index}" for index in range(len(outputs))]
        named = dict(zip(names, outputs, strict=True))
        self.strides = {
            # A size that is not a multiple of the stride was rounded up.
            name: 2 ** round(torch.tensor(x.shape[-1] / one.shape[-1]).log2().item())
            for name, one in named.items()
        }
        if info:
            self.strides = dict(zip(names, info.reduction(), strict=True))
        self.channels = {name: one.shape[1] for name, one in named.items()}
        return named


def _fitting(
    image: ImageFile, read: Image.Image | ImageError, boxes: Mapping[ImageFile, Boxes] | None
) -> Image.Image | ImageError:
    """An image whose boxes can be its own."""
    fault = None
    if boxes is not None and isinstance(read, Image.Image):
        fault = boxes[image].fault(read.size)
    return read if fault is None else ImageError(f"{image.path}: {fault}")


def _read(image: ImageFile) -> Image.Image | ImageError:
    try:
        return read_image(image.path)
    except ImageError as error:
        return error
