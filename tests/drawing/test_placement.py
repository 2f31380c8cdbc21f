"""Labels of boxes: none hides another one, none leaves the image."""

import numpy as np
import pytest

from resblock_backbones.drawing.placement import place_labels

CANVAS = (320, 240)


def overlaps(one, other):
    return (
        one.left < other.left + other.width
        and other.left < one.left + one.width
        and one.top < other.top + other.height
        and other.top < one.top + one.height
    )


@pytest.mark.parametrize("seed", range(5))
def test_labels_of_crowded_boxes_neither_overlap_nor_leave_the_image(seed):
    rng = np.random.default_rng(seed)
    centres, half = rng.uniform(-20, 340, (60, 2)), rng.uniform(0, 60, (60, 2))
    boxes = np.concatenate([centres - half, centres + half], 1)
    sizes = [(float(width), 14.0) for width in rng.integers(20, 110, 60)]
    places = [one for one in place_labels(boxes, sizes, CANVAS) if one is not None]
    assert len(places) >= 40
    for number, one in enumerate(places):
        assert one.left >= 0 and one.left + one.width <= CANVAS[0]
        assert one.top >= 0 and one.top + one.height <= CANVAS[1]
        assert not any(overlaps(one, other) for other in places[:number])


def test_the_first_box_has_its_label_where_people_look_for_it():
    (place,) = place_labels([[50, 60, 90, 100]], [(30, 12)], CANVAS)
    assert (place.left, place.top, place.beside) == (50, 48, True)


def test_a_label_that_found_room_only_elsewhere_says_so():
    around = [[0, 0, 320, 180]]
    (place,) = place_labels([[10, 10, 20, 20]], [(40, 12)], CANVAS, taken=around)
    assert place.top == 180 and not place.beside


def test_a_label_that_fits_nowhere_has_no_place():
    assert place_labels([[0, 0, 9, 9]], [(400, 12)], CANVAS) == [None]
    assert place_labels([[0, 0, 9, 9]], [(40, 12)], CANVAS, taken=[[0, 0, 320, 240]]) == [None]
