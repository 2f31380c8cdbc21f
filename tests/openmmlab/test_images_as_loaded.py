"""What the report and `resblock browse` draw is the array that the config's loader gave."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("mmcv")

from resblock_backbones.openmmlab.datasets.images import (  # noqa: E402
    LoadWholeImageFromFile,
    image_as_loaded,
)

RAMP = (np.arange(48, dtype=np.uint16) * 1300).reshape(6, 8)


def drawn(file, **options):
    load = LoadWholeImageFromFile(**options)
    dataset = SimpleNamespace(pipeline=SimpleNamespace(transforms=[load]))
    image = image_as_loaded(dataset, {"img_path": str(file)})
    return np.asarray(image), load.transform({"img_path": str(file)})["img"]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("color_type", ["color", "color_ignore_orientation"])
def test_a_turned_photo_is_drawn_as_it_was_loaded(tmp_path, suffix, orientation, color_type):
    file = tmp_path / f"a.{suffix}"
    image = Image.fromarray(np.stack([RAMP >> 8] * 3, -1).astype(np.uint8))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(file, exif=exif)
    picture, loaded = drawn(file, color_type=color_type)
    assert np.array_equal(picture[..., ::-1], loaded)
    turned = orientation >= 5 and (color_type == "color" or suffix == "tif")
    assert picture.shape[:2] == ((8, 6) if turned else (6, 8))


@pytest.mark.parametrize("color_type", ["color", "grayscale", "unchanged"])
def test_samples_of_16_bits_are_not_drawn_white(tmp_path, color_type):
    Image.fromarray(RAMP).save(tmp_path / "deep.png")
    picture, loaded = drawn(tmp_path / "deep.png", color_type=color_type)
    assert np.array_equal(picture[..., 0], RAMP >> 8)
    assert loaded.dtype == (np.uint16 if color_type == "unchanged" else np.uint8)


def test_bands_are_drawn_by_their_first_three(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pixels = np.random.default_rng(0).integers(0, 255, (6, 8, 5), np.uint8)
    file = tmp_path / "five.tif"
    tifffile.imwrite(file, pixels, photometric="minisblack", planarconfig="contig")
    picture, loaded = drawn(file, color_type="unchanged", imdecode_backend="tifffile")
    assert np.array_equal(loaded, pixels) and np.array_equal(picture, pixels[..., 2::-1])
