"""One reader of images: what OpenCV gives a model is what is measured, checked and drawn."""

import shutil
from pathlib import Path, PurePath

import numpy as np
import pytest
from PIL import Image

from resblock_backbones.data.annotations.images_check import pixel_fault
from resblock_backbones.data.errors import ImageError
from resblock_backbones.data.image_files import find_images
from resblock_backbones.data.images.facts import ImageFacts, facts_of, look_at, refuse_faults
from resblock_backbones.data.images.reading import (
    LIMIT_VARIABLE,
    Loader,
    decoded,
    image_of,
    read_image,
    size_of,
)
from resblock_backbones.data.images.shared import shared_images, told_of_shared

RAMP = (np.arange(48, dtype=np.uint16) * 1300).reshape(6, 8)


def photo(file: Path, orientation: int = 1) -> Path:
    """An image 8 wide and 6 high as stored, with a note of how it is to be turned."""
    image = Image.fromarray((RAMP >> 8).astype(np.uint8)).convert("RGB")
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(file, exif=exif)
    return file


# --- the pixels ---


@pytest.mark.parametrize("name", ["grey.png", "grey.tif", "plain.png", "alpha.png", "palette.gif"])
def test_an_image_is_read_as_opencv_reads_it(tmp_path, name):
    cv2 = pytest.importorskip("cv2")
    image = Image.fromarray(RAMP)
    if not name.startswith("grey"):
        image = Image.fromarray((RAMP >> 8).astype(np.uint8)).convert("RGB")
    if name == "alpha.png":
        image = image.convert("RGBA")
    image.save(tmp_path / name)
    expected = cv2.imread(str(tmp_path / name), cv2.IMREAD_COLOR)
    assert np.array_equal(np.asarray(read_image(tmp_path / name))[..., ::-1], expected)
    assert np.array_equal(np.asarray(image_of(expected)), expected[..., ::-1])
    assert len(np.unique(expected)) > 10  # no white image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_read_and_measured_as_opencv_does(tmp_path, orientation):
    cv2 = pytest.importorskip("cv2")
    file = photo(tmp_path / "a.png", orientation)
    for flag, loader in (
        (cv2.IMREAD_COLOR, Loader()),
        (cv2.IMREAD_UNCHANGED, Loader("unchanged")),
        (cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, Loader("color_ignore_orientation")),
    ):
        assert size_of(file, loader) == cv2.imread(str(file), flag).shape[:2]
        assert look_at([file])[file].size(loader) == size_of(file, loader)
    upright = cv2.imread(str(file), cv2.IMREAD_COLOR)
    assert np.array_equal(np.asarray(read_image(file))[..., ::-1], upright)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_any_number_of_channels_can_be_drawn(channels, kind):
    pixels = np.full((4, 5, channels), 200, np.uint8).astype(kind)
    pixels = pixels * 256 if kind is np.uint16 else pixels
    drawn = image_of(pixels.astype(kind))
    assert drawn.mode == "RGB" and drawn.size == (5, 4) and drawn.getpixel((0, 0)) == (200,) * 3


def test_samples_without_a_known_scale_are_refused(tmp_path):
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(ImageError, match=r"f.tif: its samples are of 32 bits \(F\)"):
        read_image(tmp_path / "f.tif")


def test_a_large_image_is_told_with_the_limit_and_how_to_raise_it(tmp_path, monkeypatch):
    Image.new("1", (300, 200)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    with pytest.raises(ImageError, match="megapixels.*RESBLOCK_MAX_MEGAPIXELS.*tiles") as caught:
        read_image(tmp_path / "large.png")
    assert "damaged" not in str(caught.value)
    monkeypatch.setenv(LIMIT_VARIABLE, "1")
    assert read_image(tmp_path / "large.png").size == (300, 200)


# --- many files ---


def test_images_of_one_name_get_names_of_their_own(tmp_path):
    for name in ("a.jpg", "a.png", "b.png", "in/a.png", "other/in/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        photo(tmp_path / name)
    names = [one.name for one in find_images([str(tmp_path)])]
    wanted = ["a.jpg", "a.png", "b", "in/a", "other/in/a"]
    assert sorted(names) == [PurePath(name) for name in wanted]
    two = find_images([str(tmp_path / "in/a.png"), str(tmp_path / "other/in/a.png")])
    assert [one.name for one in two] == [PurePath("in/a"), PurePath("other/in/a")]


def test_all_files_are_looked_at_and_the_faults_counted(tmp_path):
    files = [photo(tmp_path / f"{number}.png") for number in range(30)]
    for number in (17, 23):
        files[number].write_bytes(files[number].read_bytes()[:60])
    facts = look_at(files)
    assert [file for file, one in facts.items() if one.fault] == [files[17], files[23]]
    with pytest.raises(ImageError, match=r"17.png: the image is cut off.*1 more of 30 images"):
        refuse_faults(files)


def test_a_file_is_opened_again_only_when_it_has_changed(tmp_path, monkeypatch):
    files = [photo(tmp_path / f"{number}.png") for number in range(3)]
    cache = tmp_path / "cache"
    first = look_at(files, cache=cache, labels=True)
    Image.new("L", (3, 2), 7).save(files[1])
    opened = []
    kept = Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, *more: opened.append(Path(file.name)) or kept(file, *more)
    )
    second = look_at(files, cache=cache, labels=True)
    assert opened == [files[1]] and second[files[0]] == first[files[0]]
    assert second[files[1]].labels == {7: 6} and second[files[1]].size() == (2, 3)
    for damage in (b"", b"[1, 2]", b'{"x": 3}', b"\xff\xfe"):
        [store] = cache.iterdir()
        store.write_bytes(damage)
        assert look_at(files, cache=cache, labels=True) == second
    shutil.rmtree(cache)
    assert look_at(files, cache=cache, labels=True) == second


def test_label_maps_are_counted_whatever_their_depth(tmp_path):
    for name, pixels in {
        "grey.png": np.array([[0, 3, 3]], np.uint8),
        "deep.png": np.array([[0, 300, 300]], np.uint16),
        "colour.png": np.zeros((1, 3, 3), np.uint8),
    }.items():
        Image.fromarray(pixels).save(tmp_path / name)
    files = sorted(tmp_path.iterdir())
    labels = {file.name: one.labels for file, one in look_at(files, labels=True).items()}
    assert labels == {"grey.png": {0: 1, 3: 2}, "deep.png": {0: 1, 300: 2}, "colour.png": None}


def test_a_missing_file_is_a_fact(tmp_path):
    gone = tmp_path / "gone.png"
    assert look_at([gone]) == {gone: ImageFacts(fault="there is no such image")}


PLANAR = {False: None, True: "contig"}


def test_bands_of_a_tiff_are_told_and_not_taken_for_a_photo(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    for samples in (1, 2, 4, 5, 13):
        for kind in (np.uint8, np.uint16):
            file = tmp_path / f"{samples}_{kind.__name__}.tif"
            pixels = np.zeros((24, 32, samples), kind)
            tifffile.imwrite(
                file, pixels, photometric="minisblack", planarconfig=PLANAR[samples > 1]
            )
            facts = facts_of(file)
            assert facts.fault is None and facts.size() == (24, 32)
            assert facts.bands == (samples if samples > 1 else 0)
            told = pixel_fault(facts, Loader())
            assert (told is None) == (samples == 1)
            assert pixel_fault(facts, Loader("unchanged", "tifffile")) is None
            assert size_of(file, Loader("unchanged", "tifffile")) == (24, 32)
    with pytest.raises(ImageError, match="a TIFF of 5 bands, which is no photo"):
        read_image(tmp_path / "5_uint16.tif")
    photo = tmp_path / "photo.tif"
    tifffile.imwrite(photo, np.zeros((24, 32, 4), np.uint8), photometric="rgb", bigtiff=True)
    assert facts_of(photo).mode == "RGBA" and read_image(photo).size == (32, 24)


def test_a_format_that_opencv_does_not_read_is_told(tmp_path):
    cv2 = pytest.importorskip("cv2")
    for suffix, format in {"tga": "TGA", "pcx": "PCX", "webp": "WEBP", "gif": "GIF"}.items():
        file = tmp_path / f"a.{suffix}"
        Image.new("RGB", (32, 24)).save(file)
        told = pixel_fault(facts_of(file), Loader())
        assert (told is None) == (cv2.imread(str(file)) is not None)
        assert told is None or f"does not read images of the format {format}" in told[1]
        assert pixel_fault(facts_of(file), Loader(backend="pillow")) is None


def test_images_of_two_splits_are_found_by_path_and_by_content(tmp_path):
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        for number in range(4):
            pixels = np.random.default_rng([number, split == "val"]).integers(0, 255, (8, 8, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / split / f"{number}.bmp")
    train, val = sorted(tmp_path.glob("train/*")), sorted(tmp_path.glob("val/*"))
    assert shared_images(train, val) == []
    (tmp_path / "val/2.bmp").write_bytes(train[1].read_bytes())
    almost = bytearray(train[0].read_bytes())
    almost[-1] ^= 1
    (tmp_path / "val/3.bmp").write_bytes(almost)
    pairs = shared_images(train, [*val, train[3]])
    assert pairs == [(train[3], train[3]), (val[2], train[1])]
    assert "2 of 5 images are also in train" in told_of_shared(pairs, 5, "train")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("kind", ["grey", "deep", "colour"])
def test_a_turned_tiff_is_turned_once(tmp_path, orientation, compression, kind):
    """OpenCV and Pillow turn every TIFF as they read it, whatever they are told."""
    cv2 = pytest.importorskip("cv2")
    pixels = {"grey": RAMP >> 8, "deep": RAMP, "colour": np.stack([RAMP >> 8] * 3, -1)}[kind]
    image = Image.fromarray(pixels if kind == "deep" else pixels.astype(np.uint8))
    exif = image.getexif()
    exif[0x0112] = orientation
    file = tmp_path / "a.tif"
    image.save(file, exif=exif, compression=compression)
    for flag, loader in (
        (cv2.IMREAD_COLOR, Loader()),
        (cv2.IMREAD_UNCHANGED, Loader("unchanged")),
        (cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, Loader("color_ignore_orientation")),
    ):
        read = cv2.imdecode(np.fromfile(file, np.uint8), flag)
        assert size_of(file, loader) == read.shape[:2] == facts_of(file).size(loader)
    assert facts_of(file).size(Loader("unchanged", "tifffile")) == (6, 8)
    upright = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(np.asarray(read_image(file))[..., ::-1], upright)
    assert np.array_equal(decoded(file.read_bytes(), file), upright)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    "name", ["a.bmp", "a.gif", "a.tif", "a.webp", "a.ppm", "a.jpg", "a.png", "lzw.tif"]
)
def test_a_file_that_is_cut_off_is_told_in_every_format(tmp_path, name):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    file = tmp_path / name
    options = {"compression": "tiff_lzw"} if name == "lzw.tif" else {}
    Image.fromarray(pixels).save(file, **options)
    assert facts_of(file).fault is None and facts_of(file).size() == (40, 60)
    whole = file.read_bytes()
    for share in (0.2, 0.6, 0.9):
        file.write_bytes(whole[: int(share * len(whole))])
        assert facts_of(file).fault is not None, share
