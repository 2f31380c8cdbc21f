"""The part of `resblock export` that writes a whole model."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from ...options.errors import InputError


def export_whole(given: argparse.Namespace) -> None:
    """Export the model of a config and a checkpoint."""
    from ...deploy.models.export_model import export_model
    from ...files.shipped_configs import find_config
    from ..arguments import read_config_options, require_mm_packages

    if given.to not in ("onnx", "pt2"):
        raise InputError(f"--to {given.to}: a whole model is written as onnx or pt2")
    require_mm_packages(f"{given.config}")
    from ...openmmlab.export.of_config import whole_of_config

    ready, text = whole_of_config(
        find_config(given.config),
        given.checkpoint,
        raw_masks=given.raw_masks,
        cfg_options=read_config_options(given.cfg_options),
    )
    out = given.out or Path(f"{Path(given.config).stem}.{given.to}")
    done = export_model(
        ready,
        out,
        given.to,
        input_type=given.input,
        static=static_size(given.static),
        opset=given.opset,
        config=text,
        replace=given.force,
        progress=lambda step: print(f"{step} ...", file=sys.stderr, flush=True),
    )
    print("the file against the model:\n")
    print(done)
    card = done.card
    print(f"\n{done.path}: {done.size / 2**20:.1f} MiB, {card.model}, input 'images', outputs:")
    print(f"  {', '.join(card.outputs)}")


def static_size(text: str | None) -> tuple[int, int] | None:
    """Height and width of ``640x480``.

    >>> static_size("640x480")
    (640, 480)
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None or not all(map(int, found.groups())):
        raise InputError(f"--static {text}: must be height and width, as 640x640")
    return int(found[1]), int(found[2])
