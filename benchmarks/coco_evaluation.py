"""COCO's evaluation by pycocotools and by faster-coco-eval, on 5,000 generated images.

    python benchmarks/coco_evaluation.py --write docs/benchmarks.md
    python benchmarks/coco_evaluation.py --images 200

Each evaluation is a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from page import put_section
from pycocotools import mask as masks

SIZE = (640, 480)
CLASSES = 80
OBJECTS, DETECTIONS = 7, 40  # an image
ANGLES = (np.arange(8) + 0.5) * np.pi / 4
#: Of an octagon in a box from 0 to 1.
CORNERS = (np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1) / np.cos(np.pi / 8) + 1) / 2


def make(folder: Path, images: int) -> None:
    """Ground truth with polygons, a hundredth of it crowds, and detections around it."""
    dice = np.random.default_rng(0)
    annotations, detections = [], []
    for image in range(1, images + 1):
        sides = np.exp(dice.uniform(np.log(8), np.log(400), (OBJECTS, 2)))
        corners = dice.random((OBJECTS, 2)) * (np.array(SIZE) - sides)
        labels = dice.integers(1, CLASSES + 1, OBJECTS)
        for box, label in zip(np.hstack([corners, sides]), labels, strict=True):
            crowd = dice.random() < 0.01
            polygon = octagon(box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(label),
                    "bbox": box.tolist(),
                    "area": float(box[2] * box[3] * 0.83),
                    "iscrowd": int(crowd),
                    "segmentation": encoded(polygon) if crowd else [polygon],
                }
            )
        for _ in range(DETECTIONS):
            near = dice.integers(OBJECTS)
            spread = np.repeat(sides[near][None], 2, 0).reshape(-1) * 0.1
            box = np.hstack([corners[near], sides[near]]) + dice.normal(0, 1, 4) * spread
            box[2:] = np.maximum(box[2:], 2)
            label = labels[near] if dice.random() < 0.5 else dice.integers(1, CLASSES + 1)
            detections.append(
                {
                    "image_id": image,
                    "category_id": int(label),
                    "bbox": box.tolist(),
                    "score": float(dice.random()),
                    "segmentation": encoded(octagon(box)),
                }
            )
    truth = {
        "images": [
            {"id": one, "width": SIZE[0], "height": SIZE[1]} for one in range(1, images + 1)
        ],
        "categories": [{"id": one, "name": str(one)} for one in range(1, CLASSES + 1)],
        "annotations": annotations,
    }
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "detections.json").write_text(json.dumps(detections))


def octagon(box: np.ndarray) -> list[float]:
    """A polygon inside of a box `x, y, w, h`."""
    return (box[:2] + box[2:] * CORNERS).reshape(-1).tolist()


def encoded(polygon: list[float]) -> dict:
    """As run lengths."""
    (one,) = masks.frPyObjects([polygon], SIZE[1], SIZE[0])
    return one | {"counts": one["counts"].decode()}


def evaluate(folder: Path, kind: str, evaluator: str) -> None:
    """Print seconds, peak memory in MB, and the twelve numbers, as JSON."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from resblock_backbones.openmmlab.training.evaluation.faster_coco import FasterEvaluation

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(folder / "truth.json")
        found = json.loads((folder / "detections.json").read_text())
        for one in found:
            del one["segmentation" if kind == "bbox" else "bbox"]
        predicted = truth.loadRes(found)
        begin = time.perf_counter()
        chosen = COCOeval if evaluator == "pycocotools" else FasterEvaluation
        one = chosen(truth, predicted, kind)
        one.params.maxDets = [100, 300, 1000]  # as MMDetection
        one.evaluate()
        one.accumulate()
        one.summarize()
        seconds = time.perf_counter() - begin
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([seconds, memory, one.stats.tolist()]))


def section(images: int, folder: Path) -> list[str]:
    """The section for the page."""
    lines = [
        "## COCO's evaluation",
        "",
        f"{images:,} generated images, {OBJECTS} objects of {CLASSES} classes and {DETECTIONS} "
        "detections in each; boxes and masks.",
        "Time of `evaluate`, `accumulate` and `summarize`; memory of the whole process.",
        "",
        "| | pycocotools | | faster-coco-eval | | largest difference of the twelve numbers |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for kind, name in (("bbox", "boxes"), ("segm", "masks")):
        results = []
        for evaluator in ("pycocotools", "faster-coco-eval"):
            command = [sys.executable, __file__, "--evaluate", str(folder), kind, evaluator]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results.append(json.loads(out.splitlines()[-1]))
        cells = [f"{seconds:.1f} s | {memory:,.0f} MB" for seconds, memory, _ in results]
        first, second = (np.array(numbers) for _, _, numbers in results)
        lines.append(f"| {name} | {' | '.join(cells)} | {np.abs(first - second).max():.1g} |")
    versions = ", ".join(f"{one} {version(one)}" for one in ("pycocotools", "faster-coco-eval"))
    return [
        *lines,
        "",
        f"One run of each, on {processor()}; {versions}.",
        "",
        "`python benchmarks/coco_evaluation.py --write docs/benchmarks.md`",
    ]


def processor() -> str:
    """Its name and the number of its cores."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    kind = (names or [platform.processor()])[0]
    return (
        f"{kind}{' with AVX-512' if 'avx512f' in ' '.join(lines) else ''}, {os.cpu_count()} cores"
    )


def main() -> None:
    """Print the section, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    parser.add_argument("--data", type=Path, help="keep and use the generated data here")
    parser.add_argument("--evaluate", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.evaluate:
        evaluate(Path(given.evaluate[0]), *given.evaluate[1:])
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.data or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "truth.json").is_file():
            make(folder, given.images)
        lines = section(given.images, folder)
    print("\n".join(lines))
    if given.write:
        put_section(given.write, "coco_evaluation", lines)


if __name__ == "__main__":
    main()
