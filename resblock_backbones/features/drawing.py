"""Feature maps drawn as images: the strongest channels of each stage, and their mean."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..files.whole import write_whole
from .feature_files import Features

MARGIN, LINE = 8, 18
PAPER, INK = (255, 255, 255), (40, 40, 40)
#: From the smallest to the largest value: dark blue, violet, orange, light yellow.
RAMP = np.array([(10, 10, 50), (110, 25, 120), (230, 90, 50), (255, 245, 170)], float)


def draw_features(
    features: Features, image: Image.Image, file: Path, *, channels: int = 6, side: int = 160
) -> None:
    """Write a PNG that shows the strongest channels of each feature map, one row per map.

    A row has the mean of these channels, drawn over the image, and then the channels one by one.
    The strongest channels are those of the largest mean. Each cell is scaled by itself, from its
    smallest value to its largest.

    Args:
        features: of the image.
        image: the network's input.
        file: the PNG to write.
        channels: how many of each feature map.
        side: longer side of a cell, in pixels.
    """
    factor = side / max(image.size)
    cell = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    # In grey, so that colours show the feature map only.
    small = image.convert("L").resize(cell, Image.Resampling.LANCZOS).convert("RGB")
    step = (cell[0] + MARGIN, cell[1] + 2 * LINE + MARGIN)
    size = ((channels + 1) * step[0] + MARGIN, len(features.maps) * step[1] + MARGIN)
    canvas = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=12)
    rows = zip(features.maps.items(), features.strides, strict=True)
    for row, ((name, maps), stride) in enumerate(rows):
        top = MARGIN + row * step[1]
        count, height, width = maps.shape
        title = f"{name}: {count} channels, {height} x {width}, stride {stride}"
        draw.text((MARGIN, top), title, fill=INK, font=font)
        strongest = strongest_channels(maps, channels)
        mean = Image.blend(small, _heat(maps[strongest].float().mean(0), cell), 0.6)
        cells = [(f"mean of these {len(strongest)}", mean)]
        cells += [(f"channel {channel}", _heat(maps[channel], cell)) for channel in strongest]
        for column, (caption, drawn) in enumerate(cells):
            left = MARGIN + column * step[0]
            canvas.paste(drawn, (left, top + LINE))
            draw.text((left, top + LINE + cell[1]), caption, fill=INK, font=font)
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG")
    write_whole(file, buffer.getvalue())


def strongest_channels(maps: Tensor, count: int) -> list[int]:
    """The channels of ``(C, H, W)`` with the largest mean, the largest first.

    Example:
        >>> import torch
        >>> strongest_channels(torch.tensor([0.0, 3.0, 1.0])[:, None, None].expand(3, 2, 2), 2)
        [1, 2]
    """
    means = maps.float().mean((1, 2))
    return means.topk(min(count, len(means))).indices.tolist()


def _heat(one: Tensor, size: tuple[int, int]) -> Image.Image:
    values = one.float().numpy()
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    stops = np.linspace(0, 1, len(RAMP))
    colours = np.stack([np.interp(scaled, stops, RAMP[:, index]) for index in range(3)], axis=-1)
    drawn = Image.fromarray(np.rint(colours).astype(np.uint8))
    return drawn.resize(size, Image.Resampling.NEAREST)
