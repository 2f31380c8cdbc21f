"""Annotation JSON as every tool reads it: ASCII, written whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...files.whole import write_whole


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write an annotation file.

    pycocotools opens files in the encoding of the machine, so other characters are escaped.
    """
    write_whole(file, json.dumps(content).encode("ascii"))
