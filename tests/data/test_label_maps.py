"""What each pixel's number means is checked in every label map."""

import numpy as np
import pytest
from PIL import Image

from resblock_backbones.data.annotations.usage import check_usage
from resblock_backbones.data.findings import Findings
from resblock_backbones.data.label_maps import LabelRules, check_label_maps

NAMES = ("paper", "cat", "dog")
SIZE = (24, 32)


def label_map(number: int) -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    labels[4:10, number : number + 9] = 1
    labels[12:20, number : number + 5] = 2
    labels[:2] = 255
    return labels


@pytest.fixture
def pairs(tmp_path):
    """Eight images and their label maps, without a fault."""
    made = []
    for number in range(8):
        image, labels = tmp_path / f"{number}.jpg", tmp_path / f"{number}.png"
        Image.fromarray(np.full((*SIZE, 3), 9 * number, np.uint8)).save(image)
        Image.fromarray(label_map(number)).save(labels)
        made.append((image, labels))
    return made


def check(pairs, **rules):
    findings = Findings("train")
    rules = LabelRules(**({"names": NAMES, "classes": NAMES} | rules))
    usage, sizes = check_label_maps(pairs, rules, findings)
    if not findings.of("error"):
        check_usage(usage, findings, training=True, title="label maps")
    return usage, [one.line for one in findings.of("error")], list(findings), sizes


def test_of_correct_label_maps_nothing_is_said_and_their_pixels_are_counted(pairs):
    usage, _, findings, sizes = check(pairs)
    assert findings == []
    assert sizes == {SIZE} and usage.images == 8
    maps = np.stack([label_map(number) for number in range(8)])
    for label, name in enumerate(NAMES):
        assert usage.per_class[name] == ((maps == label).sum(), 8)
    assert usage.left_out_objects == {"ignored (255)": (maps == 255).sum()}


BROKEN = {
    "range": (
        lambda a: np.where(a == 2, 9, a).astype(np.uint8),
        r"holds label 9 \(40 pixels\), and there are 3",
    ),
    "deep": (lambda a: np.where(a == 2, 300, a.astype(np.uint16)), "holds 300.*300 becomes 44"),
    "colours": (lambda a: np.stack([a] * 3, -1), "mode RGB, no map of one number a pixel"),
    "alpha": (lambda a: np.stack([a, a], -1), "mode LA, no map of one number a pixel"),
    "floats": (lambda a: a.astype(np.float32), "mode F"),
    "half": (lambda a: a[::2, ::2], "16x12 .width x height., its image .*32x24"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_label_map_is_named(pairs, kind):
    change, message = BROKEN[kind]
    file = pairs[5][1]
    image = Image.fromarray(change(label_map(5)))
    image.save(file, format="TIFF" if kind == "floats" else "PNG")
    if kind == "floats":  # a TIFF by another name is no PNG
        file = file.rename(file.with_suffix(".tif"))
        pairs[5] = (pairs[5][0], file)
    _, errors, _, _ = check(pairs)
    assert len(errors) == 1 and str(file) in errors[0]
    with pytest.raises(Exception, match=message):
        raise ValueError(errors[0])


def test_missing_cut_and_lossy_label_maps_are_named(pairs):
    pairs[2][1].unlink()
    assert "2.png: there is no such label map (of " in check(pairs)[1][0]
    pairs[2][1].write_bytes(pairs[3][1].read_bytes()[:60])
    assert "2.png: the image is cut off" in check(pairs)[1][0]
    pairs[2][1].unlink()
    Image.fromarray(label_map(2)).save(pairs[2][1].with_suffix(".jpeg"))
    pairs[2] = (pairs[2][0], pairs[2][1].with_suffix(".jpeg"))
    assert "2.jpeg: is a JPEG, which changes the numbers" in check(pairs)[1][0]


def rewrite(pairs, change):
    for number, (_, file) in enumerate(pairs):
        Image.fromarray(change(label_map(number)).astype(np.uint8)).save(file)


def test_masks_of_0_and_255_are_told_with_the_cure(pairs):
    rewrite(pairs, lambda labels: np.where(labels == 1, 255, 0))
    assert "255 is ignored: write 1 for 'cat'" in check(pairs)[1][0]


def test_some_masks_of_0_and_255_beside_others_are_a_warning(pairs):
    for _, file in pairs[:2]:
        labels = np.array(Image.open(file))
        Image.fromarray((labels > 0).astype(np.uint8) * 255).save(file)
    told = [one.line for one in check(pairs)[2] if one.level == "warning"]
    assert any(f"2 of {len(pairs)} label maps hold only 0 and 255" in line for line in told)
    assert any(f"the first one {pairs[0][1]}: is 1 meant" in line for line in told)


def test_a_label_that_reduce_zero_label_loses_is_told(pairs):
    rewrite(pairs, lambda labels: labels == 1)
    error = check(pairs, reduce_zero_label=True, names=("a", "b"), classes=("a", "b"))[1][0]
    assert "all pixels are of 'a' once reduce_zero_label=True has made 0 ignored" in error


def test_label_maps_of_nothing_are_told(pairs):
    rewrite(pairs, lambda labels: np.full_like(labels, 255))
    assert "0 of 6144 pixels are used" in check(pairs, classes=("paper",), names=("paper",))[1][0]
    rewrite(pairs, np.zeros_like)
    assert "all pixels are of 'paper'" in check(pairs)[1][0]


def test_a_class_without_a_pixel_is_a_warning(pairs):
    rewrite(pairs, lambda labels: np.where(labels == 2, 0, labels))
    _, errors, findings, _ = check(pairs)
    assert not errors and "no pixels of 1 of 3 classes: 'dog'" in findings[0].line


def test_a_palette_is_numbers_to_pillow_and_colours_to_opencv(pairs):
    for number, (_, file) in enumerate(pairs):
        image = Image.fromarray(label_map(number))
        image.putpalette([number for number in range(256) for _ in range(3)])
        image.save(file)
    assert not check(pairs)[1]
    assert "imdecode_backend='pillow'" in check(pairs, backend="cv2")[1][0]


def test_pixels_of_classes_that_a_config_leaves_out_are_counted(pairs):
    usage, errors, _, _ = check(pairs, classes=("paper", "dog"))
    assert not errors and set(usage.per_class) == {"paper", "dog"}
    assert usage.left_out_objects["of classes that the config leaves out"] == 54 * 8
