"""Store a trained model in a folder, or upload it to the Hugging Face Hub.

The folder has the model's config with its class names and metrics, its weights as safetensors, and
a model card written from the run's own numbers. `resblock predict` and `Predictor` open it.

resblock share work_dirs/mine --out mine
resblock share work_dirs/mine --push user/name --private
resblock predict hf-hub:user/name photos/ --out predictions
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...options.errors import InputError
from ..arguments import require_mm_packages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("work_dir", help="the work folder of the training")
    parser.add_argument("--out", metavar="FOLDER", help="write the files to this folder")
    parser.add_argument("--push", metavar="USER/NAME", help="upload them to this repository")
    parser.add_argument("--private", action="store_true", help="make the repository private")
    parser.add_argument("--checkpoint", help="[the best one if the run kept one, else the newest]")
    parser.add_argument("--config", help="config of the run [the one in the work folder]")
    parser.add_argument("--force", action="store_true", help="replace existing files")


def run(given: argparse.Namespace) -> None:
    """Store, upload, or both."""
    if given.out is None and given.push is None:
        raise InputError("where to? give --out FOLDER, --push USER/NAME, or both")
    if given.private and given.push is None:
        raise InputError("--private: goes with --push")
    require_mm_packages()
    from ...openmmlab.hub.of_run import trained_model
    from ...openmmlab.hub.trained_model import CARD, CONFIG, WEIGHTS

    if given.out is not None and not given.force:
        there = [name for name in (CONFIG, WEIGHTS, CARD) if Path(given.out, name).exists()]
        if there:
            raise InputError(f"{given.out}: has a {there[0]}; give --force to replace it")
    model = trained_model(given.work_dir, checkpoint=given.checkpoint, config=given.config)
    steps = ", ".join(f"{name} {number}" for name, number in model.facts.trained.items())
    told = f"{model.facts.name} ({steps})"
    if given.out is not None:
        model.save_pretrained(given.out)
        print(f"{told}: {given.out}")
    if given.push is not None:
        try:
            url = model.push_to_hub(given.push, private=given.private)
        except (OSError, ValueError) as error:  # huggingface_hub's, of the network and of names
            reason = " ".join(str(error).split())
            raise InputError(f"--push {given.push}: could not be uploaded: {reason}") from error
        print(f"{told}: {url}")
