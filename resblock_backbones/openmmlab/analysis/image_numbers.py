"""The images of a data set, found by what files of predictions call them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ImageNumbers:
    """The images of a data set, by what predictions call them.

    Args:
        infos: of the data set, by number.
    """

    def __init__(self, infos: Mapping[int, Mapping[str, Any]]) -> None:
        self.infos = infos
        self._by_path = {Path(one["img_path"]).resolve(): n for n, one in infos.items()}
        self._by_id = {one.get("img_id"): number for number, one in infos.items()}
        names: dict[str, list[int]] = defaultdict(list)
        for number, one in infos.items():
            names[Path(one["img_path"]).name].append(number)
            names[Path(one["img_path"]).stem].append(number)
        self._by_name = {name: found[0] for name, found in names.items() if len(set(found)) == 1}

    def of_file(self, file: str) -> int | None:
        """The number of an image file: of this path, else the only one of this name."""
        found = self._by_path.get(Path(file).resolve())
        return self._by_name.get(Path(file).name) if found is None else found

    def of_id(self, image_id: Any) -> int | None:
        """The number of an image by COCO's id."""
        return self._by_id.get(image_id)
