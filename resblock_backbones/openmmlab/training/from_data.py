"""Train on a folder of images and annotations, without a config to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from ...data.formats.mask_folder import MaskFolder
from ...data.formats.recognise import read_folder
from ...data.formats.writing import Written, write_label_maps, write_objects
from ...files.shipped_configs import PREFIX, find_config, shipped_config
from ...files.whole import write_whole
from ..configs.read import read_config
from ..datasets.choices import MODELS, choose
from ..datasets.new_config import config_for, config_on, told
from .launch import train


def train_on_data(
    path: str,
    *,
    work_dir: str | None = None,
    model: str | None = None,
    format: str | None = None,
    seed: int = 0,
    resume: str | None = None,
    amp: bool = False,
    val_loss: bool = False,
    early_stop: str | None = None,
    cfg_options: dict[str, Any] | None = None,
    launcher: str = "none",
    **wishes: Any,
) -> Runner:
    """Train a model on a folder; what was chosen is printed, and kept as a config.

    Args:
        path: the folder, in any format that :func:`~resblock_backbones.data.formats` knows.
        work_dir: for annotations, config, logs and checkpoints; default
            `work_dirs/<folder>_<model>`.
        model: `faster-rcnn`, `mask-rcnn`, `retinanet`, `fcos` or `deeplabv3plus`; default: by
            what is annotated.
        format: of the annotations, where a folder has several.
        seed: of the split, where there is none.
        resume, amp, val_loss, early_stop, cfg_options, launcher: as :func:`train` takes them.
        wishes: depth, width, epochs, imgsz and batch, as `choose` takes them.

    Raises:
        InputError: one line.
    """
    folder = Path(path).expanduser()
    named = f"{folder.resolve().stem}_{model or 'auto'}"
    out = Path(work_dir or Path("work_dirs") / named)
    data = _written(folder, out / "data", model, format, seed)
    given = {name: value for name, value in wishes.items() if value is not None}
    choices = choose(data, model=model, cuda=torch.cuda.is_available(), **given)
    base = Config.fromfile(str(shipped_config(PREFIX + MODELS[choices.model][0])))
    # In a folder of its own: the run writes the whole config, without comments, into its own.
    config = out / "config" / f"{choices.model}_{folder.resolve().stem}.py"
    config = _write_beside(config, config_for(data, choices, base))
    print("\n".join(told(data, choices, config)), flush=True)
    return train(
        str(config),
        work_dir=str(out),
        resume=resume,
        amp=amp,
        val_loss=val_loss,
        early_stop=early_stop,
        cfg_options=cfg_options,
        launcher=launcher,
    )


def new_config(path: str, *, base: str, out: str, format: str | None = None, seed: int = 0) -> str:
    """The text of a config that trains the model of another one on a folder.

    Args:
        path: the folder.
        base: a config, or the name of one that comes along.
        out: the folder for the annotations that the config names.
        format: of the annotations, where a folder has several.
        seed: of the split, where there is none.

    Raises:
        InputError: one line.
    """
    file = find_config(base)
    cfg = read_config(file)
    masks = cfg.get("default_scope") == "mmseg"
    data = _written(
        Path(path).expanduser(), Path(out), "deeplabv3plus" if masks else "", format, seed
    )
    return config_on(data, str(Path(file).resolve()), cfg)


def _write_beside(file: Path, text: str) -> Path:
    """Write a config, beside one of another content: that may have been edited."""
    number, target = 1, file
    while target.is_file() and target.read_text(encoding="utf-8") != text:
        number += 1
        target = file.with_stem(f"{file.stem}_{number}")
    write_whole(target, text.encode())
    return target


def _written(folder: Path, out: Path, model: str | None, format: str | None, seed: int) -> Written:
    masks = None if model is None else model == "deeplabv3plus"
    data = read_folder(folder, masks=masks, format=format)
    if isinstance(data, MaskFolder):
        return write_label_maps(data, out, seed=seed)
    return write_objects(data, out, seed=seed)
