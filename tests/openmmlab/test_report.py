"""What is told and drawn at the end of a training run."""

import json

import numpy as np
import pytest
from PIL import Image

from resblock_backbones.data.coco import run_lengths
from resblock_backbones.openmmlab.training.drawable import ground_truth_of
from resblock_backbones.openmmlab.training.drawings import LabelMap, Objects, draw_comparison
from resblock_backbones.openmmlab.training.plots import plot_training
from resblock_backbones.openmmlab.training.report import format_table, read_history, result_rows


def test_the_history_of_a_resumed_run_is_one_history_and_cut_lines_are_left_out(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    lines = [{"loss": 2.0, "loss_cls": 1.0, "step": 10}, {"loss": 1.0, "step": 20}]
    lines.append({"coco/bbox_mAP": 0.1, "step": 1})
    first.write_text("\n".join(map(json.dumps, lines)) + '\n{"loss": 0.5, "st')
    second.write_text(json.dumps({"loss": 0.9, "step": 20}))
    history = read_history([first, second, tmp_path / "missing.json"])
    assert history.losses == {"loss": {10: 2.0, 20: 0.9}, "loss_cls": {10: 1.0}}
    assert history.scores == {"coco/bbox_mAP": {1: 0.1}}
    plot_training(history, tmp_path / "plot.png")
    assert Image.open(tmp_path / "plot.png").width > 800


def test_the_table_has_a_row_per_class_the_means_and_the_time():
    metrics = {"coco/cat_precision": 0.25, "coco/bbox_mAP": 0.5, "coco/bbox_mAP_s": 0.1}
    table = format_table(result_rows(metrics, ["cat", "dog"], 61))
    assert [line.split()[:2] for line in table.splitlines()] == [
        ["AP", "cat"],
        ["bbox_mAP", "0.500"],
        ["training", "time"],
    ]


def test_eight_images_are_drawn_in_pairs_also_without_any_box(tmp_path):
    images = [Image.new("RGB", (160, 120 + 10 * i), (90, 90, 90)) for i in range(8)]
    none = Objects(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    one = Objects(np.array([[10, 0, 60, 50]]), np.array([1]), np.array([0.9]))
    classes, palette = ["cat", "dog"], [(255, 0, 0), (0, 255, 0)]
    file = tmp_path / "pairs.png"
    draw_comparison(images, [one] * 8, [none, *[one] * 7], classes, palette, file)
    drawn = np.asarray(Image.open(file))
    assert drawn.shape[1] == 4 * (256 + 8) + 8
    green = (drawn == (0, 255, 0)).all(axis=2)
    assert green[:, :264].any() and not green[:286, 264:528].any()


def test_masks_colour_the_pixels_of_their_object_and_no_other(tmp_path):
    mask = np.zeros((1, 64, 64), bool)
    mask[0, 16:32, 16:48] = True
    masked = Objects(np.array([[16, 16, 48, 32]]), np.array([0]), masks=mask)
    none = Objects(np.zeros((0, 4)), np.zeros(0, int), masks=np.zeros((0, 64, 64), bool))
    file = tmp_path / "masks.png"
    black = Image.new("RGB", (64, 64))
    draw_comparison([black], [masked], [none], ["cat"], [(200, 0, 0)], file, side=64)
    drawn = np.asarray(Image.open(file)).astype(int)
    truth, prediction = drawn[22:86, 8:72], drawn[22:86, 80:144]
    assert 80 < truth[28, 44, 0] < 100 and not truth[28, 44, 1:].any()
    assert not truth[40:, :].any() and not prediction.any()


def test_label_maps_stand_beside_their_image_over_a_legend(tmp_path):
    truth = np.zeros((32, 32), int)
    truth[8:16, 8:24] = 2
    truth[24:] = 255  # not labelled
    file = tmp_path / "maps.png"
    palette = [(10, 20, 30), (1, 2, 3), (90, 80, 200)]
    draw_comparison(
        [Image.new("RGB", (32, 32), (7, 7, 7))],
        [LabelMap(truth)],
        [LabelMap(np.zeros((32, 32), int))],
        ["sky", "cat", "dog"],
        palette,
        file,
        side=64,
    )
    drawn = np.asarray(Image.open(file))
    image, first, second = (drawn[22:86, 8 + 72 * i : 72 + 72 * i] for i in range(3))
    assert (image == 7).all() and (second == palette[0]).all()
    assert (first[24, 24] == palette[2]).all() and (first[0, 0] == palette[0]).all()
    assert (first[50:] == 255).all()
    legend = drawn[94:]
    shown = {tuple(colour) for colour in legend.reshape(-1, 3).tolist()}
    assert {palette[0], palette[2]} <= shown and palette[1] not in shown


@pytest.mark.parametrize(
    "segmentation",
    [
        [[2, 1, 6, 1, 6, 4, 2, 4]],
        [[2, 1, 4, 1, 4, 4, 2, 4], [4, 1, 6, 1, 6, 4, 4, 4]],
        run_lengths(np.pad(np.ones((3, 4), bool), ((1, 4), (2, 2)))),
    ],
    ids=["polygon", "two polygons", "run lengths"],
)
def test_the_masks_of_the_truth_are_read_in_all_of_coco_s_forms(segmentation):
    pytest.importorskip("pycocotools")
    instances = [
        {"bbox": [2, 1, 6, 4], "bbox_label": 1, "mask": segmentation},
        {"bbox": [0, 0, 8, 8], "bbox_label": 0, "ignore_flag": 1},
    ]
    result = {"pred_instances": {"masks": None}}
    truth = ground_truth_of({"instances": instances, "height": 8, "width": 8}, result)
    assert truth.labels.tolist() == [1] and truth.boxes.tolist() == [[2, 1, 6, 4]]
    expected = np.zeros((8, 8), bool)
    expected[1:4, 2:6] = True
    assert np.array_equal(truth.masks, expected[None])
