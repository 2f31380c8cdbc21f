"""Large images in slices: the objects and label maps that one pass would give, in little memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from resblock_backbones.data.errors import ImageError
from resblock_backbones.data.images.reading import Loader
from resblock_backbones.data.images.regions import Pixels, TiffTiles, open_regions, reduced
from resblock_backbones.data.placed_masks import PlacedMasks
from resblock_backbones.drawing.annotated import draw_annotated
from resblock_backbones.options.errors import InputError
from resblock_backbones.prediction.merged_maps import map_of_scores
from resblock_backbones.prediction.merged_objects import Window, merged_objects
from resblock_backbones.prediction.prediction import Prediction
from resblock_backbones.prediction.run_lengths import run_lengths, run_lengths_of
from resblock_backbones.prediction.slices import SlicedModel, Slices
from resblock_backbones.prediction.write import predict_files

cv2 = pytest.importorskip("cv2")
pytest.importorskip("pycocotools")


class Finder:
    """A model whose answers are known: each spot of one colour is an object of that class."""

    classes = ("red", "green", "blue")
    palette = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    notes, dataset, loader, stride = (), {}, Loader(), 8
    keeps_pixel_scores = False

    def __init__(self):
        self.largest, self.asked = 0, 0

    def name_of(self, label):
        return self.classes[label]

    def colour_of(self, label):
        return self.palette[label]

    def read(self, file):
        return cv2.imread(str(file))

    def open(self, file):
        return open_regions(
            file, lambda some: cv2.imdecode(np.frombuffer(some, np.uint8), 1), self.read
        )

    def predict_frames(self, frames):
        return self.predict(frames, [None] * len(frames))

    def predict(self, images, files):
        return [self._found(image) for image in images]

    def _found(self, image):
        self.asked += 1
        self.largest = max(self.largest, image.shape[0] * image.shape[1])
        boxes, labels, masks = [], [], []
        for label in range(3):
            spots = (image[..., 2 - label] > 128).astype(np.uint8)
            count, numbers, told, _ = cv2.connectedComponentsWithStats(spots)
            for number in range(1, count):
                x, y, width, height, _ = told[number]
                boxes.append([x, y, x + width, y + height])
                labels.append(label)
                masks.append(numbers == number)
        return Prediction(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(labels, np.int64),
            np.linspace(0.9, 0.5, len(boxes), dtype=np.float32),
            np.array(masks, bool).reshape(-1, *image.shape[:2]),
            classes=self.classes,
            palette=tuple(self.palette),
        )


class Segmenter(Finder):
    """A model that gives each pixel the class of its strongest colour, and scores if asked."""

    def _found(self, image):
        self.asked += 1
        scores = np.moveaxis(image[..., ::-1].astype(np.float32), -1, 0)
        return Prediction(
            label_map=scores.argmax(0),
            pixel_scores=scores if self.keeps_pixel_scores else None,
            classes=self.classes,
        )


def drawn(seed, size=(230, 170), count=12):
    """Spots that do not touch, from a few pixels to larger than a slice, as BGR."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size)
    draw, taken = ImageDraw.Draw(image), np.zeros(size[::-1], bool)
    for number in range(count * 4):
        width, height = (2 + random.exponential(22, 2)).astype(int)
        x, y = random.integers(0, [max(1, size[0] - 2), max(1, size[1] - 2)])
        if taken[max(0, y - 2) : y + height + 3, max(0, x - 2) : x + width + 3].any():
            continue
        taken[y : y + height + 1, x : x + width + 1] = True
        colour = tuple(255 if index == number % 3 else 0 for index in range(3))
        kind = draw.rectangle if number % 2 else draw.ellipse
        kind((x, y, x + width, y + height), fill=colour)
    return np.ascontiguousarray(np.asarray(image)[..., ::-1])


def as_set(prediction):
    return sorted(
        (int(label), *map(int, box))
        for label, box in zip(prediction.labels, prediction.boxes.tolist(), strict=True)
    )


@given(
    st.integers(0, 10_000),
    st.sampled_from([32, 48, 64, 100, 400]),
    st.sampled_from([0.15, 0.2, 0.5, 0.7]),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_objects_are_those_of_one_pass(seed, size, overlap):
    image, model = drawn(seed), Finder()
    (whole,) = model.predict([image], [None])
    assert len(whole) > 4
    (found,) = SlicedModel(model, Slices(size, overlap), batch_size=3).predict([image], [None])
    assert as_set(found) == as_set(whole)
    by_place = dict(zip(map(tuple, whole.boxes.tolist()), whole.masks, strict=True))
    for box, mask in zip(found.boxes.tolist(), found.masks, strict=True):
        np.testing.assert_array_equal(mask, by_place[tuple(box)])


class Shaky(Finder):
    """The same model, whose boxes are up to two pixels and a fifth of their side away."""

    def _found(self, image):
        found, random = super()._found(image), np.random.default_rng(self.asked)
        sides = np.tile(found.boxes[:, 2:] - found.boxes[:, :2], 2)
        shift = np.clip(random.normal(0, 0.04, found.boxes.shape) * sides, -2, 2)
        boxes = np.clip(found.boxes + shift, 0, [image.shape[1], image.shape[0]] * 2)
        return Prediction(boxes, found.labels, found.scores, classes=self.classes)


def test_boxes_that_differ_from_slice_to_slice_are_still_one_object():
    counts = []
    for seed in range(12):
        image, model = drawn(seed, (400, 300), 20), Shaky()
        whole = Finder().predict([image], [None])[0]
        found = SlicedModel(model, Slices(96, 0.25)).predict([image], [None])[0]
        counts.append((len(found), len(whole)))
    assert sum(abs(one - other) for one, other in counts) <= 0.02 * sum(one for _, one in counts)


def answer(window, *objects):
    boxes = np.array([one[:4] for one in objects], np.float32).reshape(-1, 4)
    labels = np.array([one[4] for one in objects], np.int64)
    scores = np.array([one[5] for one in objects], np.float32)
    boxes -= np.array([window.left, window.top] * 2)
    return window, Prediction(boxes, labels, scores)


LEFT, RIGHT = Window(0, 0, 100, 100), Window(0, 80, 100, 100)


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        # Whole in one slice and cut by the other: the whole one, with its own score.
        ([(85, 10, 100, 40, 0, 0.9)], [(85, 10, 130, 40, 0, 0.6)], [(85, 10, 130, 40, 0, 0.6)]),
        # Cut by both: joined.
        ([(20, 10, 100, 40, 0, 0.7)], [(80, 11, 170, 40, 0, 0.8)], [(20, 10, 170, 40, 0, 0.8)]),
        # Two neighbours, one of which ends where the other slice begins.
        (
            [(50, 10, 81, 40, 0, 0.9)],
            [(80, 10, 110, 40, 0, 0.8)],
            [(50, 10, 81, 40, 0, 0.9), (80, 10, 110, 40, 0, 0.8)],
        ),
        # A small object before a large one, both seen by both slices.
        (
            [(82, 5, 98, 60, 0, 0.9), (84, 20, 92, 30, 0, 0.8)],
            [(82, 5, 98, 60, 0, 0.7), (84, 20, 92, 30, 0, 0.6)],
            [(82, 5, 98, 60, 0, 0.9), (84, 20, 92, 30, 0, 0.8)],
        ),
        # Another class at the same place stays, where both slices say so.
        (
            [(84, 20, 92, 30, 0, 0.8), (84, 20, 92, 30, 1, 0.7)],
            [(84, 20, 92, 30, 0, 0.8), (84, 20, 92, 30, 1, 0.7)],
            [(84, 20, 92, 30, 0, 0.8), (84, 20, 92, 30, 1, 0.7)],
        ),
        # The cut half of a ring, taken for something else by the slice that does not see it whole.
        ([(85, 10, 100, 40, 1, 0.9)], [(85, 10, 130, 40, 0, 0.6)], [(85, 10, 130, 40, 0, 0.6)]),
        # Two boxes for one cut object.
        (
            [(85, 10, 100, 40, 0, 0.9), (88, 12, 100, 26, 0, 0.4)],
            [(85, 10, 130, 40, 0, 0.6)],
            [(85, 10, 130, 40, 0, 0.6)],
        ),
        # A box without area is part of no other one that is elsewhere.
        (
            [(85, 10, 100, 40, 0, 0.9), (100, 80, 100, 90, 0, 0.4)],
            [(85, 10, 130, 40, 0, 0.6)],
            [(85, 10, 130, 40, 0, 0.6), (100, 80, 100, 90, 0, 0.4)],
        ),
        # Seen by one slice alone, although it is cut.
        ([(85, 10, 100, 40, 0, 0.9)], [], [(85, 10, 100, 40, 0, 0.9)]),
        ([], [], []),
    ],
)
def test_boxes_of_two_slices_become_those_of_the_image(left, right, wanted):
    answers = [answer(LEFT, *left), answer(RIGHT, *right)]
    found = merged_objects(answers, (100, 180), {})
    got = [
        (*box, label, pytest.approx(score))
        for box, label, score in zip(
            found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True
        )
    ]
    assert got == wanted and found.masks is None


def test_label_maps_are_those_of_one_pass():
    image = np.random.default_rng(0).integers(0, 255, (130, 90, 3), np.uint8)
    (whole,) = Segmenter().predict([image], [None])
    (found,) = SlicedModel(Segmenter(), Slices(48, 0.25)).predict([image], [None])
    np.testing.assert_array_equal(found.label_map, whole.label_map)
    assert found.label_map.dtype == np.uint8 and found.pixel_scores is None

    class WithoutScores(Segmenter):
        """As an exported file."""

        def _found(self, image):
            return Prediction(label_map=super()._found(image).label_map, classes=self.classes)

    (cut,) = SlicedModel(WithoutScores(), Slices(48, 0.25)).predict([image], [None])
    np.testing.assert_array_equal(cut.label_map, whole.label_map)


@pytest.mark.parametrize("row_bytes", [1, 40_000, 2**29])
def test_scores_of_all_slices_of_a_pixel_are_averaged(row_bytes):
    """Against the formula with sums and counts of the whole image, however wide the columns."""
    random, shape, classes = np.random.default_rng(0), (117, 151), 4
    windows = Slices(40, 0.4).of(shape)
    scores = {one: random.normal(size=(classes, 40, 40)).astype(np.float32) for one in windows}
    sums, counts = np.zeros((classes, *shape)), np.zeros(shape)
    for one, given_scores in scores.items():
        sums[:, one.top : one.bottom, one.left : one.right] += given_scores
        counts[one.top : one.bottom, one.left : one.right] += 1
    assert counts.min() == 1 and counts.max() >= 4

    def predicted(asked):
        for one in asked:
            yield one, Prediction(label_map=np.zeros((40, 40)), pixel_scores=scores[one])

    found = map_of_scores(predicted, windows, shape, classes, row_bytes=row_bytes)
    np.testing.assert_array_equal(found, (sums / counts).argmax(0))


def test_slices_are_those_of_mmsegmentations_slide():
    """Its formula: h_grids, w_grids, and the last window moved back into the image."""
    for shape, size, overlap in (((512, 700), 256, 1 / 3), ((100, 256), 256, 0.2), ((9, 9), 4, 0)):
        step, wanted = size - round(size * overlap), []
        for y in range(max(shape[0] - size + step - 1, 0) // step + 1):
            for x in range(max(shape[1] - size + step - 1, 0) // step + 1):
                bottom, right = min(y * step + size, shape[0]), min(x * step + size, shape[1])
                top, left = max(bottom - size, 0), max(right - size, 0)
                wanted.append(Window(top, left, bottom - top, right - left))
        assert Slices(size, overlap).of(shape) == wanted


# --- parts of files ---


def tiff(file, pixels, **options):
    pytest.importorskip("tifffile").imwrite(file, pixels, **options)
    return file


@pytest.mark.parametrize(
    "options",
    [
        {"tile": (32, 48)},
        {"tile": (16, 16), "bigtiff": True},
        {"tile": (32, 32), "byteorder": ">"},
        {"rowsperstrip": 7},
        {"rowsperstrip": 1},
        {"rowsperstrip": 7, "compression": "zlib", "predictor": True},
        {"tile": (32, 48), "compression": "zlib"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["colour", "grey", "deep"])
def test_parts_of_a_tiff_are_those_of_the_whole(tmp_path, options, kind):
    pixels = np.random.default_rng(0).integers(0, 255, (75, 101, 3), np.uint8)
    if kind == "grey":
        pixels = pixels[..., 0]
    if kind == "deep":
        pixels = pixels[..., 0].astype(np.uint16) * 250
    told = {"photometric": "rgb" if kind == "colour" else "minisblack"}
    file = tiff(tmp_path / "a.tif", pixels, **told, **options)
    # Not what OpenCV makes of the whole: at the right side of tiles of 16 bits it reads others.
    whole = np.stack([pixels >> 8 if kind == "deep" else pixels] * 3, -1)
    whole = pixels[..., ::-1] if kind == "colour" else whole
    image = Finder().open(file)
    assert isinstance(image, TiffTiles) and image.size == (75, 101)
    for top, left, height, width in ((0, 0, 75, 101), (31, 40, 44, 61), (70, 3, 5, 9)):
        part = image.read(top, left, height, width)
        np.testing.assert_array_equal(part, whole[top : top + height, left : left + width])


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_parts_of_tiffs_that_pillow_writes(tmp_path, compression):
    image = Image.fromarray(drawn(3, (101, 75))[..., ::-1])
    file = tmp_path / "a.tif"
    image.save(file, compression=compression, tiffinfo={278: 16}, strip_size=101 * 3 * 16)
    opened = Finder().open(file)
    whole = cv2.imread(str(file))
    if not isinstance(opened, TiffTiles):
        pytest.skip("Pillow wrote one strip")
    np.testing.assert_array_equal(opened.read(10, 5, 60, 90), whole[10:70, 5:95])


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "one strip.tif", "palette.png"])
def test_files_that_have_no_parts_are_read_whole(tmp_path, name):
    image = Image.fromarray(drawn(3, (101, 75))[..., ::-1])
    if name.startswith("palette"):
        image = image.quantize(16)
    image.save(tmp_path / name)
    opened = Finder().open(tmp_path / name)
    assert isinstance(opened, Pixels) and opened.size == (75, 101)
    wanted = cv2.imread(str(tmp_path / name))[10:20, 30:50]
    np.testing.assert_array_equal(opened.read(10, 30, 10, 20), wanted)


def test_tiles_that_are_kept_are_few(tmp_path, monkeypatch):
    from resblock_backbones.data.images import regions

    monkeypatch.setattr(regions, "KEPT", 20 * 32 * 32 * 3)
    pixels = np.random.default_rng(0).integers(0, 255, (320, 320, 3), np.uint8)
    image = Finder().open(tiff(tmp_path / "a.tif", pixels, tile=(32, 32), photometric="rgb"))
    for one in Slices(100, 0.2).of(image.size):
        image.read(one.top, one.left, one.height, one.width)
        assert len(image._kept) <= 20


def test_a_tiff_that_is_cut_off_is_told(tmp_path):
    file = tiff(tmp_path / "a.tif", np.zeros((64, 64, 3), np.uint8), tile=(32, 32), metadata=None)
    contents = file.read_bytes()
    end = contents.rfind(bytes(2000)) - 200
    file.write_bytes(contents[:end])
    model = SlicedModel(Finder(), Slices(40))
    with pytest.raises(ImageError, match=r"a\.tif: the image is cut off or damaged|no image"):
        model.predict_regions(model.open(file))


def test_an_image_for_people_is_of_means_of_whole_pixels():
    pixels = np.random.default_rng(0).integers(0, 255, (1100, 90, 3), np.uint8)
    small = np.asarray(reduced(Pixels(pixels), 300))
    assert small.shape == (275, 23, 3)
    wanted = pixels[:, :88, ::-1].reshape(275, 4, 22, 4, 3).mean((1, 3))
    assert np.abs(small[:, :22] - wanted).max() <= 0.51


# --- masks ---


@given(st.integers(0, 1000), st.sampled_from(["dense", "thin", "empty", "full"]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_placed_masks_are_the_masks(seed, kind):
    random = np.random.default_rng(seed)
    density = {"dense": 0.5, "thin": 0.02, "empty": 0, "full": 1}[kind]
    region = random.random((2, *random.integers(1, 12, 2))) < density
    top, left = (int(one) for one in random.integers(0, 4, 2))
    size = (region.shape[1] + top + int(random.integers(0, 3)), region.shape[2] + left + 1)
    whole = np.zeros((2, *size), bool)
    whole[:, top : top + region.shape[1], left : left + region.shape[2]] = region
    placed = PlacedMasks.of(region, top, left, size)
    np.testing.assert_array_equal(np.asarray(placed), whole)
    assert placed.shape == whole.shape and run_lengths_of(placed, 1) == run_lengths(whole[1])
    np.testing.assert_array_equal(np.asarray(placed.reduced(3)), whole[:, ::3, ::3])
    joined = PlacedMasks([placed.joined([0, 1])], size)
    np.testing.assert_array_equal(joined[0], whole.any(0))


def test_placed_masks_are_drawn_as_whole_ones():
    masks = np.zeros((1, 400, 400), bool)
    masks[0, 100:200, 50:300] = masks[0, 0:50, 0:30] = True
    box, label, score = np.array([[0, 0, 300, 200.0]]), np.array([0]), np.array([0.9])
    grey = Image.new("RGB", (400, 400), (100, 100, 100))
    pictures = [
        draw_annotated(grey, Prediction(box, label, score, one), str, lambda _: (200, 0, 0))
        for one in (masks, PlacedMasks.of(masks, 0, 0, (400, 400)))
    ]
    np.testing.assert_array_equal(*map(np.asarray, pictures))


# --- files ---


def test_a_large_image_is_written_reduced_with_all_its_objects(tmp_path, monkeypatch):
    import json

    from resblock_backbones.prediction import write

    monkeypatch.setattr(write, "LARGEST_DRAWING", 600)
    pixels = drawn(5, (900, 700), 40)
    tiff(tmp_path / "large.tif", pixels[..., ::-1], tile=(64, 64), photometric="rgb")
    model = Finder()
    done = predict_files(
        lambda: model, [str(tmp_path / "large.tif")], str(tmp_path / "out"), slices=Slices(160, 0.2)
    )
    (whole,) = Finder().predict([pixels], [None])
    assert done.objects == len(whole) and model.largest == 160 * 160
    written = json.loads((tmp_path / "out/predictions.json").read_text())
    assert [(one["width"], one["height"]) for one in written["images"]] == [(900, 700)]
    areas = sorted(one["area"] for one in written["annotations"])
    assert areas == sorted(int(one.sum()) for one in whole.masks)
    assert Image.open(tmp_path / "out/drawn/large.png").size == (450, 350)


def test_label_maps_and_broken_files_of_a_folder(tmp_path):
    for name in ("a", "b"):
        Image.fromarray(drawn(1)[..., ::-1]).save(tmp_path / f"{name}.png")
    cut = tiff(tmp_path / "c.tif", drawn(1)[..., ::-1].copy(), tile=(64, 64), photometric="rgb")
    cut.write_bytes(cut.read_bytes()[:70_000])
    with pytest.raises(ImageError, match=r"1 of 3 images could not be read: .*c\.tif"):
        predict_files(
            Segmenter, [str(tmp_path)], str(tmp_path / "out"), slices=Slices(64), progress=False
        )
    assert sorted(one.name for one in (tmp_path / "out/labels").iterdir()) == ["a.png", "b.png"]
    assert np.asarray(Image.open(tmp_path / "out/labels/a.png")).shape == (170, 230)


def test_slices_that_cannot_be_are_refused():
    for size, overlap, message in (
        (0, 0.2, "slices of 0 pixels"),
        (64, 1.0, "overlap 1: must be at least 0, and below 1"),
        (64, -0.1, "overlap -0.1"),
        (64, float("nan"), "overlap nan"),
    ):
        with pytest.raises(InputError, match=message):
            Slices(size, overlap)
    with pytest.raises(InputError, match="slices of 7 pixels: smaller than the stride .*, 8 pix"):
        SlicedModel(Finder(), Slices(7))
