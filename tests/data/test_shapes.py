"""The shapes data set: the same bytes for the same seed, and annotations that tell the truth."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resblock_backbones.data import CLASSES, SEMANTIC_PALETTE, make_shapes, shapes
from resblock_backbones.data.shapes_drawing import LEAST_VISIBLE, draw_image

TOOL = Path(__file__).parents[2] / "tools" / "make_shapes.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "shapes"
    make_shapes(out, train=24, val=6, size=160, seed=3, progress=False)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def instances(folder: Path, split: str) -> dict:
    return json.loads((folder / "annotations" / f"instances_{split}.json").read_text())


# --- what is drawn ---


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    make_shapes(tmp_path / "again", train=24, val=6, size=160, seed=3, progress=False)
    assert contents(tmp_path / "again") == contents(folder)


def test_another_seed_gives_other_images(folder, tmp_path):
    make_shapes(tmp_path / "other", train=1, val=1, size=160, seed=4, progress=False)
    name = "train/000001.png"
    assert (tmp_path / "other" / name).read_bytes() != (folder / name).read_bytes()


def test_more_images_begin_with_the_same_ones(folder, tmp_path):
    make_shapes(tmp_path / "fewer", train=3, val=2, size=160, seed=3, progress=False)
    whole, fewer = contents(folder), contents(tmp_path / "fewer")
    images = [name for name in fewer if name.endswith(".png")]
    assert len(images) == 10
    assert all(fewer[name] == whole[name] for name in images)


def test_train_and_val_show_different_images(folder):
    assert (folder / "train/000001.png").read_bytes() != (folder / "val/000001.png").read_bytes()


def test_every_class_is_there_and_images_hold_one_to_six_objects(folder):
    found = instances(folder, "train")["annotations"]
    assert {entry["category_id"] for entry in found} == set(range(1, 1 + len(CLASSES)))
    counts = np.bincount([entry["image_id"] for entry in found], minlength=25)[1:]
    assert counts.min() >= 1
    assert counts.max() <= 6


def test_objects_cover_each_other_but_none_is_nearly_hidden(folder):
    pytest.importorskip("pycocotools")
    from pycocotools import mask as coco_mask

    holes_or_cuts = 0
    for entry in instances(folder, "train")["annotations"]:
        if entry["category_id"] != 1 + CLASSES.index("circle"):
            continue
        mask = coco_mask.decode(coco_mask.frPyObjects(entry["segmentation"], 160, 160))
        left, top, width, height = entry["bbox"]
        # A whole circle fills pi/4 of its box.
        diameter = max(width, height)
        holes_or_cuts += mask.sum() < 0.9 * np.pi / 4 * diameter**2
        assert mask.sum() > 0.9 * LEAST_VISIBLE * np.pi / 4 * diameter**2
    assert holes_or_cuts > 0


def test_a_form_is_as_large_as_geometry_says():
    # The areas in closed form, at a size where one row of pixels is below a per cent.
    from resblock_backbones.data.shapes_drawing import FORMS

    scale = 200.0
    axis = np.arange(-150, 150, dtype=np.float32) + np.float32(0.5)
    x, y = axis[None, :], axis[:, None]
    star_radius = 0.19 * scale / np.cos(2 * np.pi / 5)
    # A pentagram of circumradius R: ten triangles between centre, point and inner corner.
    inner = star_radius * np.cos(2 * np.pi / 5) / np.cos(np.pi / 5)
    expected = {
        "circle": np.pi * (0.5 * scale) ** 2,
        "square": (0.88 * scale) ** 2,
        "triangle": 3 * np.sqrt(3) * (0.31 * scale) ** 2,
        "star": 5 * star_radius * inner * np.sin(np.pi / 5),
        "ring": np.pi * scale**2 * (0.5**2 - 0.28**2),
    }
    for name, form in FORMS.items():
        area = (form(x, y, scale, 0.3) < 0).sum()
        assert area == pytest.approx(expected[name], rel=0.01), name


def test_colour_does_not_give_the_class_away():
    # The mean colour of each class over many objects: equal up to the noise of the mean.
    sums: dict[int, list[np.ndarray]] = {}
    for number in range(150):
        image = draw_image(np.random.default_rng([11, number]), 64)
        for index, label in enumerate(image.labels):
            sums.setdefault(label, []).append(image.pixels[image.owner == index].mean(axis=0))
    means = np.stack([np.mean(sums[label], axis=0) for label in sorted(sums)])
    errors = np.stack([np.std(c, axis=0) / np.sqrt(len(c)) for c in sums.values()])
    assert np.ptp(means, axis=0).max() < 6 * errors.max()


# --- annotations ---


@pytest.mark.parametrize("split", ["train", "val"])
def test_boxes_areas_and_label_maps_agree_with_the_masks(folder, split):
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO

    dataset = COCO(folder / "annotations" / f"instances_{split}.json")
    assert [category["name"] for category in dataset.loadCats(dataset.getCatIds())] == [*CLASSES]
    for image in dataset.loadImgs(dataset.getImgIds()):
        with Image.open(folder / split / image["file_name"]) as opened:
            assert opened.size == (image["width"], image["height"])
            assert opened.mode == "RGB"
        labels = np.zeros((image["height"], image["width"]), dtype=np.uint8)
        for entry in dataset.loadAnns(dataset.getAnnIds(image["id"])):
            mask = dataset.annToMask(entry).astype(bool)
            rows, columns = np.nonzero(mask)
            left, top, width, height = entry["bbox"]
            assert (left, top) == (columns.min(), rows.min())
            assert (left + width - 1, top + height - 1) == (columns.max(), rows.max())
            assert entry["area"] == mask.sum()
            assert not labels[mask].any(), "a pixel belongs to two objects"
            labels[mask] = entry["category_id"]
        with Image.open(folder / "labels" / split / image["file_name"]) as stored:
            assert np.array_equal(np.asarray(stored), labels)


def test_a_label_map_shows_colours_to_a_person(folder):
    with Image.open(folder / "labels/train/000001.png") as stored:
        indices, colours = np.asarray(stored), np.asarray(stored.convert("RGB"))
    assert np.array_equal(np.asarray(SEMANTIC_PALETTE)[indices], colours)


def test_mmdetection_reads_it_with_its_own_dataset(folder):
    pytest.importorskip("mmdet")
    from mmdet.datasets import CocoDataset
    from mmdet.datasets.transforms import LoadAnnotations
    from mmengine.registry import DefaultScope, init_default_scope

    before = DefaultScope.get_current_instance()
    init_default_scope("mmdet")
    try:
        dataset = CocoDataset(
            data_root=str(folder),
            ann_file="annotations/instances_train.json",
            data_prefix={"img": "train/", "seg": "labels/train/"},
            metainfo={"classes": CLASSES},
            filter_cfg={"filter_empty_gt": True, "min_size": 16},
            pipeline=[
                {"type": "LoadImageFromFile"},
                {
                    "type": "LoadAnnotations",
                    "with_bbox": True,
                    "with_mask": True,
                    "with_seg": True,
                    "imdecode_backend": "pillow",
                },
            ],
        )
        assert isinstance(dataset.pipeline.transforms[1], LoadAnnotations)
        assert len(dataset) == 24
        for sample in dataset:
            masks, boxes = sample["gt_masks"].masks, sample["gt_bboxes"].tensor.numpy()
            assert len(masks) == len(boxes) == len(sample["gt_bboxes_labels"]) > 0
            assert not sample["gt_ignore_flags"].any()
            painted = np.zeros((160, 160), dtype=np.int64)
            for mask, box, label in zip(masks, boxes, sample["gt_bboxes_labels"], strict=True):
                rows, columns = np.nonzero(mask)
                assert box.tolist() == [
                    columns.min(),
                    rows.min(),
                    columns.max() + 1,
                    rows.max() + 1,
                ]
                painted[mask > 0] = label + 1
            assert np.array_equal(sample["gt_seg_map"], painted)
    finally:
        if before is not None:
            init_default_scope(before.scope_name)


def test_mmsegmentation_reads_the_label_maps_with_its_defaults(folder):
    pytest.importorskip("mmseg")
    from mmseg.datasets.transforms import LoadAnnotations

    path = folder / "labels/val/000001.png"
    sample = {"seg_map_path": str(path), "reduce_zero_label": False, "seg_fields": []}
    with Image.open(path) as stored:
        assert np.array_equal(LoadAnnotations()(sample)["gt_seg_map"], np.asarray(stored))


# --- the folder ---


def test_made_once_it_is_left_alone(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert make_shapes(folder, train=24, val=6, size=160, seed=3, progress=False) is False
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_other_settings_are_refused_and_forced(tmp_path):
    out = tmp_path / "shapes"
    make_shapes(out, train=2, val=1, size=64, progress=False)
    with pytest.raises(ValueError, match=r"holds 2 train and 1 val .*--force"):
        make_shapes(out, train=1, val=1, size=64, progress=False)
    assert make_shapes(out, train=1, val=1, size=64, force=True, progress=False) is True
    assert not (out / "train/000002.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["shapes"]


def test_missing_files_are_noticed(tmp_path):
    out = tmp_path / "shapes"
    make_shapes(out, train=2, val=1, size=64, progress=False)
    (out / "train/000002.png").unlink()
    with pytest.raises(ValueError, match="files of it are missing"):
        make_shapes(out, train=2, val=1, size=64, progress=False)


@pytest.mark.parametrize("force", [False, True])
def test_files_of_somebody_else_are_never_deleted(tmp_path, force):
    (tmp_path / "info.json").write_text('{"name": "somebody else\'s"}')
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(ValueError, match="no complete shapes data set"):
        make_shapes(tmp_path, train=1, val=1, size=64, force=force, progress=False)
    assert (tmp_path / "thesis.txt").read_text() == "three years of work"


def test_force_stops_at_a_file_put_beside_the_images(tmp_path):
    out = tmp_path / "shapes"
    make_shapes(out, train=1, val=1, size=64, progress=False)
    (out / "train/notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"train/notes\.txt"):
        make_shapes(out, train=2, val=1, size=64, force=True, progress=False)
    assert (out / "train/notes.txt").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch, error):
    calls = iter(range(3))

    def draw(rng, size):
        if next(calls) == 2:
            raise error
        return draw_image(rng, size)

    monkeypatch.setattr(shapes, "draw_image", draw)
    with pytest.raises(BaseException) as raised:
        make_shapes(tmp_path / "shapes", train=4, val=1, size=64, progress=False)
    assert raised.type in (KeyboardInterrupt, OSError)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_and_a_link_to_one_are_filled(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "shapes").symlink_to(tmp_path / "disk")
    assert make_shapes(tmp_path / "shapes", train=1, val=1, size=64, progress=False) is True
    assert (tmp_path / "shapes").is_symlink()
    assert (tmp_path / "disk/info.json").is_file()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"size": 63}, ValueError, "size=63: has to be at least 64"),
        ({"train": 0}, ValueError, "train=0: has to be at least 1"),
        ({"val": -1}, ValueError, "val=-1: has to be at least 1"),
        ({"seed": -1}, ValueError, "seed=-1: has to be at least 0"),
        ({"train": 2.5}, TypeError, "train=2.5: has to be a whole number"),
        ({"train": True}, TypeError, "train=True: has to be a whole number"),
    ],
)
def test_a_bad_option_is_named(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        make_shapes(tmp_path / "shapes", progress=False, **options)
    assert list(tmp_path.iterdir()) == []


# --- the tool ---


def test_the_tool_tells_a_mistake_in_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    command = [sys.executable, str(TOOL), "--out", str(tmp_path / "file")]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: ")
    assert ran.stderr.count("\n") == 1
    assert "is a file; give a folder" in ran.stderr
