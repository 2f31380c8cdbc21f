"""Boxes that are written another way than COCO's: x1 y1 x2 y2, fractions, centres, another scale.

Each of them loads without a word and trains a model of nothing. One box tells little; all boxes of
a file together tell.
"""

from __future__ import annotations

import numpy as np

from .document import CocoDocument, place_of
from .values import is_box, number_fault

#: So many boxes have to agree before the corner they keep to is worth a word.
FEWEST_FOR_A_CORNER = 20
#: So small a part of all images holds no more than a few objects.
OF_A_SPOT, FEWEST_FOR_A_SPOT = 0.03, 5


def check_box_patterns(document: CocoDocument) -> None:
    """Find boxes of another kind than COCO's, and boxes that reach out of their image."""
    images = {one["id"]: one for _, one in document.images}
    rows, places = [], []
    for number, entry in document.annotations:
        image = images[entry["image_id"]]
        size = (image.get("width"), image.get("height"))
        if is_box(entry.get("bbox")) and not any(number_fault(one) for one in size):
            rows.append((*entry["bbox"], *size))
            places.append(place_of("annotations", number, entry))
    if not rows:
        return
    table = np.asarray(rows, float)
    message = told_of_boxes(table)
    if message is not None:
        kind = "COCO's are [x, y, width, height] in pixels"
        # Said in more words than what their masks tell of single ones.
        for kind_of_one in ("way", "elsewhere"):
            document.findings.discard(kind_of_one)
        first = table[int(_out_of_image(table).argmax()), :4].tolist()
        document.findings.error("pattern", "", f"the boxes {message}; e.g. 'bbox' {first}; {kind}")
        return
    x, y, width, height, across, down = table.T
    beyond = np.max([-x, -y, x + width - across, y + height - down], axis=0)
    for index in np.flatnonzero(beyond > 1):
        document.findings.warning(
            "beyond",
            places[index],
            f"its 'bbox' {table[index, :4].tolist()} reaches {beyond[index]:g} pixels beyond the "
            f"image of {across[index]:g}x{down[index]:g}",
        )


def _out_of_image(table: np.ndarray) -> np.ndarray:
    x, y, width, height, across, down = table.T
    return (x + width > across + 1) | (y + height > down + 1)


def told_of_boxes(table: np.ndarray) -> str | None:
    """How boxes are written, where all of them together tell that it is not as x, y, w, h.

    Args:
        table: shape (N, 6): x, y, width, height of each box, width and height of its image.

    >>> told_of_boxes(np.array([[0.1, 0.2, 0.5, 0.6, 320, 240]]))
    'look like fractions of the image (all values lie in 0 to 1)'
    """
    x, y, width, height, across, down = table.T
    sizes = np.minimum(across, down)
    if (table[:, :4] <= 1.01).all() and (sizes > 8).all() and (table[:, 2:4] > 0).any():
        return "look like fractions of the image (all values lie in 0 to 1)"
    out = _out_of_image(table)
    if out.mean() > 0.02:
        ordered = (width > x) & (height > y) & (width <= across + 1) & (height <= down + 1)
        if ordered.mean() > 0.98 and out.any():
            return "look like x1 y1 x2 y2 (read as x y width height they leave the image)"
        inside = (x - width / 2 >= -1) & (y - height / 2 >= -1)
        inside &= (x + width / 2 <= across + 1) & (y + height / 2 <= down + 1)
        if inside.all() and out.mean() > 0.05:
            return "look like centre x, centre y, width, height"
        if out.mean() > 0.5:
            return f"leave their images in {out.mean():.0%} of all cases: another scale?"
    if across.min() <= 64 or down.min() <= 0:
        return None
    reach = max(((x + width) / across).max(), ((y + height) / down).max())
    if len(table) >= FEWEST_FOR_A_SPOT and reach < OF_A_SPOT:
        return "all lie in the upper left corner of their images: fractions in place of percent?"
    if len(table) >= FEWEST_FOR_A_CORNER and reach < 0.5:
        return (
            "all lie in the upper left quarter of their images: of images of another size, "
            "or in percent?"
        )
    return None
