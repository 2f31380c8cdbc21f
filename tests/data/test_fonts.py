"""Class names are readable in the drawings, whatever their script."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from resblock_backbones.data.images import fonts


@pytest.mark.parametrize("name", ["cat", "élan", "кошка", "قطة", "γάτα"])
def test_a_name_is_written_with_a_font_that_has_its_letters(name):
    font = fonts.font_for([name, "dog"], 14)
    assert fonts.legible(name, 0, font) == name
    drawn = [Image.new("L", (80, 24)) for _ in range(2)]
    for image, text in zip(drawn, (name, "\U0010ffff" * len(name)), strict=True):
        ImageDraw.Draw(image).text((2, 2), text, fill=255, font=font)
    assert not np.array_equal(*map(np.asarray, drawn))


def test_where_no_font_has_the_letters_the_number_of_the_class_is_written():
    name = "\U00013000\U0001f9ff"  # hieroglyphs beside an emoji: no font here has both
    font = fonts.font_for([name], 14)
    assert fonts.legible(name, 7, font) in ("class 7", name)
    assert fonts.legible("\U0010fffd", 7, font) == "class 7"


def test_a_font_can_be_chosen(monkeypatch):
    chosen = next(one for one in fonts._font_files() if "DejaVuSans" in one)
    monkeypatch.setenv(fonts.FONT_VARIABLE, chosen)
    fonts._font_files.cache_clear()
    fonts._font.cache_clear()
    assert fonts._font_files()[0] == chosen
    assert fonts.font_for(["кошка"], 13).getname()[0].startswith("DejaVu")
    fonts._font_files.cache_clear()
