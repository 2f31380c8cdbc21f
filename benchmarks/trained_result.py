"""Compare the results of training with folding on and off.

    python benchmarks/trained_result.py --write docs/benchmarks.md

Trains Faster R-CNN on the `shapes` images for 200 iterations, norms in eval mode and one stage
frozen as in fine-tuning, with each of two seeds: with norms folded, with `RESBLOCK_FOLD=off`, and
with that and another memory format, which changes only rounding.  The seed determines the initial
weights and the order of images.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from page import put_section

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs/faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"
OPTIONS = (
    "model.backbone.norm_eval=True",
    "model.backbone.frozen_stages=1",
    "train_cfg.max_epochs=2",
    "train_cfg.val_interval=2",
    "default_hooks.logger.interval=1",
    "log_processor.window_size=1",
)
# The value of RESBLOCK_FOLD, and further options.
WAYS = {
    "on": ("on", []),
    "off": ("off", []),
    "off, channels_last=False": ("off", ["model.backbone.channels_last=False"]),
}


class Result(NamedTuple):
    """Losses and score of a training run."""

    losses: list[float]
    score: float

    @property
    def last(self) -> float:
        """The mean loss of the last 50 iterations."""
        return statistics.mean(self.losses[-50:])


def train(seed: int, way: str) -> Result:
    """Train in a process of its own; returns the loss of each iteration, and the mAP."""
    folding, options = WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, ROOT / "tools/train.py", CONFIG, "--work-dir", folder]
            + ["--cfg-options", *OPTIONS, *options, f"randomness.seed={seed}"],
            check=True,
            cwd=ROOT,
            env=os.environ | {"RESBLOCK_FOLD": folding},
            stdout=subprocess.DEVNULL,
        )
        log = next(Path(folder).glob("*/vis_data/scalars.json"))
        records = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [record["loss"] for record in records if "loss" in record]
    scores = [record["coco/bbox_mAP"] for record in records if "coco/bbox_mAP" in record]
    return Result(losses, scores[-1])


def section(results: dict[tuple[int, str], Result]) -> list[str]:
    """The section for docs/benchmarks.md."""
    seeds = sorted({seed for seed, _ in results})
    lines = [
        "## Trained result, folded and not",
        "",
        "Faster R-CNN on `shapes`, half-width ResNet-18 from scratch, `norm_eval=True`, one frozen "
        f"stage, {len(results[seeds[0], 'on'].losses)} iterations. For one seed only rounding "
        "differs; the selection of proposals amplifies it.",
        "",
        "| seed | folding | loss at iteration 1 | at 10 | mean of the last 50 | bbox mAP |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for (seed, way), result in results.items():
        numbers = (result.losses[0], result.losses[9], result.last)
        row = " | ".join(f"{number:.4f}" for number in numbers)
        lines.append(f"| {seed} | {way} | {row} | {result.score:.3f} |")
    means = {
        way: statistics.mean(results[seed, way].last for seed in seeds) for way in ("on", "off")
    }
    lines += [
        "",
        f"Mean of both seeds' last losses: {means['on']:.4f} folded, {means['off']:.4f} not. "
        f"Greatest difference between the last losses: {_spread(results, 0):.4f} by folding and "
        f"{_spread(results, 1):.4f} by the memory format for one seed, "
        f"{abs(results[seeds[0], 'off'].last - results[seeds[1], 'off'].last):.4f} between the two "
        "seeds.",
        "",
        "`python benchmarks/trained_result.py --write docs/benchmarks.md`",
    ]
    return lines


def _spread(results: dict[tuple[int, str], Result], first: int) -> float:
    """Greatest difference, over the seeds, between one variant and the next."""
    one, other = list(WAYS)[first : first + 2]
    return max(
        abs(result.last - results[seed, other].last)
        for (seed, way), result in results.items()
        if way == one
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 1))
    parser.add_argument("--write", type=Path, help="put the section into this file")
    arguments = parser.parse_args()
    results = {}
    for seed in arguments.seeds:
        for way in WAYS:
            results[seed, way] = train(seed, way)
            print(f"seed {seed}, folding {way}: {results[seed, way].last:.4f}", flush=True)
    lines = section(results)
    print("\n".join(lines))
    if arguments.write:
        put_section(arguments.write, "trained result", lines)


if __name__ == "__main__":
    main()
