"""Objects and label maps drawn over an image."""

import numpy as np
from PIL import Image

from resblock_backbones.drawing.annotated import draw_annotated
from resblock_backbones.drawing.label_maps import draw_label_map, legend_width
from resblock_backbones.drawing.outlines import Outline, draw_outlines
from resblock_backbones.prediction.prediction import Prediction

GREY = Image.new("RGB", (400, 400), (100, 100, 100))
RED, BLUE = (200, 0, 0), (0, 0, 200)


def where(image, colour):
    return (np.asarray(image) == colour).all(-1)


def test_two_equal_boxes_show_both_labels():
    boxes = [Outline((100, 100, 200, 200), colour, "cat") for colour in (RED, BLUE)]
    one, both = (draw_outlines(GREY, boxes[:number]) for number in (1, 2))
    label_of_red = where(one, RED)[:100].sum()
    assert label_of_red and where(both, RED)[:100].sum() == label_of_red
    assert where(both, BLUE).sum() > 200


def test_a_mask_has_an_opaque_outline_and_lets_the_image_shine_through():
    mask = np.zeros((400, 400), bool)
    mask[100:200, 50:300] = True
    drawn = np.asarray(draw_outlines(GREY, [Outline((60, 110, 290, 190), RED, mask=mask)]))
    assert drawn[150, 150].tolist() == [145, 55, 55]  # 0.55 of the image, 0.45 of the colour
    for row, column in ((100, 150), (199, 150), (150, 50), (150, 299)):
        assert drawn[row, column].tolist() == list(RED)
    assert (drawn[200:] == 100).all()


def test_a_note_goes_to_the_corner_that_hides_fewest_boxes():
    boxes = [Outline((0, 300, 400, 400), RED)]
    changed = (np.asarray(draw_outlines(GREY, boxes, note="score ≥ 0.3")) != 100).any(-1)
    assert changed[:40].any() and not changed[40:290].any()


def test_labels_without_room_are_counted_in_the_note():
    small = GREY.crop((0, 0, 60, 60))
    boxes = [Outline((5, 5, 50, 50), RED, "a class name") for _ in range(9)]
    alone = draw_outlines(small, boxes, size=(200, 60))
    assert where(alone, (255, 255, 255)).sum() > 300  # the note's paper


def test_a_point_gets_a_ring():
    drawn = np.asarray(draw_outlines(GREY, [Outline((200, 200, 202, 201), RED)]))
    assert where(drawn, RED)[191:193, 200].any()


def test_class_names_of_any_script_do_not_stop_a_drawing():
    names = ("猫", "собака", "قطة", "ไก่", "a" * 300)
    boxes = np.array([[10 * one, 20, 10 * one + 50, 60] for one in range(5)], float)
    prediction = Prediction(boxes, np.arange(5), np.full(5, 0.5))
    drawn = draw_annotated(GREY, prediction, names.__getitem__, lambda label: RED)
    assert drawn.size == GREY.size and where(drawn, RED).any()


def test_pixels_of_no_class_are_striped_and_not_in_a_classes_colour():
    label_map = np.zeros((400, 400), int)
    label_map[:, 200:] = 255
    drawn = draw_label_map(GREY, label_map, str, lambda label: RED, classes=1, legend=0)
    pixels = np.asarray(drawn)
    assert len(np.unique(pixels[:, :200].reshape(-1, 3), axis=0)) == 1
    assert (pixels[:, 200:, 0] == pixels[:, 200:, 1]).all()
    assert set(np.unique(pixels[:, 200:])) == {60, 235}


def test_a_region_has_a_line_of_its_colour_whatever_the_photograph_shows():
    label_map = np.zeros((400, 400), int)
    label_map[100:200, 100:200] = 1
    drawn = draw_label_map(GREY, label_map, str, [(0, 0, 0), RED].__getitem__)
    line = where(drawn, RED)
    assert line[100:102, 100:200].all() and line[100:200, 198:200].all()
    assert line.sum() == 100**2 - 96**2


def test_the_legend_has_room_for_the_longest_name():
    assert legend_width(["a very long name of a class"]) > legend_width(["cat"]) > 60


def test_a_dashed_box_has_gaps():
    whole, dashed = (
        where(draw_outlines(GREY, [Outline((50, 60, 350, 340), RED, dashed=one)]), RED).sum()
        for one in (False, True)
    )
    assert 0.35 * whole < dashed < 0.7 * whole
