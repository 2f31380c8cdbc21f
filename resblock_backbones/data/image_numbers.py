"""The images of a data set, found by what files of predictions or boxes call them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ImageNumbers:
    """The images of a data set, by what predictions call them.

    Args:
        infos: of the data set, by number.

    Example:
        >>> numbers = ImageNumbers({0: {"img_path": "a/x.png"}, 1: {"img_path": "b/x.png"}})
        >>> numbers.of_file("elsewhere/b/x.png"), numbers.of_file("x.png")
        (None, None)
        >>> numbers.of_file("b/x.png")
        1
    """

    def __init__(self, infos: Mapping[int, Mapping[str, Any]]) -> None:
        self.infos = infos
        self._paths = {number: Path(one["img_path"]).resolve() for number, one in infos.items()}
        self._by_path = {path: number for number, path in self._paths.items()}
        self._by_id = {one.get("img_id"): number for number, one in infos.items()}
        self._by_name: dict[str, set[int]] = defaultdict(set)
        for number, path in self._paths.items():
            self._by_name[path.name].add(number)
            self._by_name[path.stem].add(number)

    def of_file(self, file: str) -> int | None:
        """The number of an image file.

        It is that of this path; else the only one of this name, or the only one of this name in
        folders that are called as its last ones are.
        """
        path = Path(file)
        number = self._by_path.get(path.resolve())
        if number is not None:
            return number
        alike = self._by_name.get(path.name, set())
        if len(alike) > 1:
            alike = {one for one in alike if self._paths[one].match(f"*/{path}")}
        return next(iter(alike)) if len(alike) == 1 else None

    def of_id(self, image_id: Any) -> int | None:
        """The number of an image by COCO's id."""
        return self._by_id.get(image_id)
