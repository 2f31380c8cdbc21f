"""A correct data set broken in one random way is told, with the place; unbroken, nothing is told.

`make test` draws a few; the long run draws a thousand.
"""

import copy
import random
import shutil

import numpy as np
import pytest
from PIL import Image
from small_sets import CLASSES, coco, write_coco

from resblock_backbones.data.annotations.check import check_coco

#: What no value of an annotation file may be.
NOTHING = [None, "12", "text", [], {}, [1, 2], float("nan"), float("inf"), -7]

FIELDS = {
    "images": ("id", "file_name", "width", "height"),
    "categories": ("id", "name"),
    "annotations": ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation"),
}
#: Values that are right for the layer below, or certain to repair: told as a note, or not at all.
ALLOWED = {
    ("annotations", "id"): (-7, "12", "text"),
    ("annotations", "area"): (None,),
    ("annotations", "iscrowd"): (None,),
    ("images", "width"): (None,),
    ("images", "height"): (None,),
    ("images", "id"): ("12", "text", -7),
    ("categories", "id"): ("12", "text", -7),
    ("categories", "name"): ("12", "text"),
}


def break_a_field(dice, content, folder):
    part = dice.choice(list(FIELDS))
    number = dice.randrange(len(content[part]))
    key = dice.choice(FIELDS[part])
    del content[part][number][key]
    return f"{part}[{number}]"


def break_a_value(dice, content, folder):
    part = dice.choice(list(FIELDS))
    number = dice.randrange(len(content[part]))
    key = dice.choice(FIELDS[part])
    content[part][number][key] = dice.choice(NOTHING)
    return f"{part}[{number}]"


def break_a_number(dice, content, folder):
    """One number of a box or a polygon."""
    number = 2 * dice.randrange(len(content["annotations"]) // 2)
    one = content["annotations"][number]
    numbers = one["bbox"] if dice.random() < 0.5 else one["segmentation"][0]
    numbers[dice.randrange(len(numbers))] = dice.choice(
        [None, "3", float("nan"), float("-inf"), -200, 5000, [], True]
    )
    return f"annotations[{number}]"


def break_an_entry(dice, content, folder):
    part = dice.choice(list(FIELDS))
    number = dice.randrange(len(content[part]))
    content[part][number] = dice.choice([None, 3, "text", [1]])
    return f"{part}[{number}]"


def repeat_an_entry(dice, content, folder):
    part = dice.choice(list(FIELDS))
    number = dice.randrange(len(content[part]))
    content[part].append(copy.deepcopy(content[part][number]))
    return f"{part}[{len(content[part]) - 1}]"


def point_elsewhere(dice, content, folder):
    number = dice.randrange(len(content["annotations"]))
    key = dice.choice(["image_id", "category_id"])
    content["annotations"][number][key] = dice.choice([99, "1", "3", -1, 0])
    return f"annotations[{number}]"


def break_a_file(dice, content, folder):
    number = dice.randrange(8)
    file = folder / f"{number}.png"
    how = dice.randrange(4)
    if how == 0:
        file.unlink()
    elif how == 1:
        file.write_bytes(file.read_bytes()[: dice.randrange(file.stat().st_size - 20)])
    elif how == 2:
        file.write_bytes(bytes(dice.randrange(256) for _ in range(300)))
    else:
        size = (32 - dice.randrange(1, 9), 24 + dice.randrange(9))
        Image.new("RGB", size).save(file)
    return f"images[{number}]"


def break_a_size(dice, content, folder):
    number = dice.randrange(8)
    image = content["images"][number]
    image[dice.choice(["width", "height"])] += dice.choice([-5, -1, 1, 40])
    return f"images[{number}]"


def move_a_box(dice, content, folder):
    """Far from its mask."""
    number = dice.randrange(len(content["annotations"]))
    x, y, w, h = content["annotations"][number]["bbox"]
    content["annotations"][number]["bbox"] = [x + 12 if x < 12 else x - 9, (y + 11) % 15, w, h]
    return f"annotations[{number}]"


DAMAGES = [
    break_a_field, break_a_value, break_a_number, break_an_entry, repeat_an_entry,
    point_elsewhere, break_a_file, break_a_size, move_a_box,
]  # fmt: skip


def is_allowed(before, after):
    """Whether the two files differ only in values that are right or certain to repair."""
    for (part, key), values in ALLOWED.items():
        for old, new in zip(before[part], after[part], strict=False):
            if isinstance(new, dict) and old.get(key) != new.get(key):
                return key not in new or new[key] in values
    return False


def draw(folder, seed):
    """Break a data set in a way that the seed chooses; returns how, where, and what was told."""
    dice = random.Random(seed)
    if folder.exists():
        shutil.rmtree(folder)
    content = coco()
    write_coco(folder)
    damage = dice.choice(DAMAGES)
    place = damage(dice, content, folder)
    file = write_coco(folder, content) if damage is not break_a_file else folder / "a.json"
    findings = check_coco(file, folder, classes=CLASSES, masks=True).document.findings
    return damage.__name__, place, [one.line for one in findings], content


def check_draw(folder, seed):
    damage, place, told, content = draw(folder, seed)
    if not told and is_allowed(coco(), content):
        return
    assert told, (seed, damage, place)
    # An id that is gone is told where it is missed, a class where it is looked for.
    places = [place, "classes", "annotation", "images'", "categories'"]
    assert any(one in line for line in told for one in places), (seed, damage, place, told)
    if damage in ("break_a_number", "break_a_file", "break_a_size", "move_a_box"):
        assert any(place in line for line in told), (seed, damage, place, told)
    assert all("\n" not in line for line in told)


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_one_damage_is_told_with_its_place(tmp_path, start):
    for seed in range(start, start + 20):
        check_draw(tmp_path / "data", seed)


@pytest.mark.slow
def test_a_thousand_damages_are_told_with_their_places(tmp_path):
    for seed in range(1000):
        check_draw(tmp_path / "data", seed)


@pytest.mark.parametrize("seed", range(5))
def test_of_an_undamaged_data_set_nothing_is_told(tmp_path, seed):
    """Whatever the order of its entries, its ids, its names, and numbers with fractions."""
    dice = random.Random(seed)
    content = coco()
    shift = dice.randrange(1, 10**6)
    for one in content["annotations"]:
        one["id"] += shift
        one["bbox"] = [float(value) + dice.random() * 0.4 for value in one["bbox"]]
    for part in content.values():
        dice.shuffle(part)
    names = [one["name"] for one in content["categories"]]
    file = write_coco(tmp_path, content)
    np.testing.assert_equal(
        [
            one.line
            for one in check_coco(file, tmp_path, classes=names, masks=True).document.findings
        ],
        [],
    )
