"""What each option of the residual block costs and gives: the same small training with each.

    python benchmarks/options_study.py                      # train what is not trained yet
    python benchmarks/options_study.py --only base          # some of the variants
    python benchmarks/options_study.py --time               # time a training step of each
    python benchmarks/options_study.py --write              # write docs/tutorials/options.md

A small detector in plain PyTorch (a pyramid, and centres of objects on its finest map) is trained
from scratch on `shapes` and on scenes of scikit-learn's handwritten digits (pip install
scikit-learn), with two seeds of weights and order. Only the backbone's options differ. Results are
kept as they come, so a run that was interrupted goes on where it stopped. Times are measured apart,
in one process and in turn, so that trainings may share the machine with other work.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page import processor, put_section
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor, nn
from torchvision.ops import box_convert
from train_on_folders import digits

from resblock_backbones import FlexResNet
from resblock_backbones.adapters.torchvision import FlexResNetFPN
from resblock_backbones.data.shapes import make_shapes
from resblock_backbones.resnet.measure import summarise

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "work_dirs/options_study.jsonl"
TIMES = ROOT / "work_dirs/options_study_times.json"
PAGE = ROOT / "docs/tutorials/options.md"
SIDE, STRIDE = 64, 4  # of the square images, and of the cells of the detector, in pixels
SEEDS = (0, 1)

#: What differs from `base`, a ResNet-18 of half width with batch norm in train mode.
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "width=0.25": {"width": 0.25},
    "stage_blocks=(1, 1, 1, 1)": {"stage_blocks": (1, 1, 1, 1)},
    "depthwise=True": {"depthwise": True},
    "depthwise=True, kernel_size=5": {"depthwise": True, "kernel_size": 5},
    "spatial_separable=True": {"spatial_separable": True},
    'pool_on_residual_downsample="maxpool"': {"pool_on_residual_downsample": "maxpool"},
    "avg_down=True": {"avg_down": True},
    "deep_stem=True": {"deep_stem": True},
    'attention="SE"': {"attention": "SE"},
    'norm_cfg="GN" (8 groups)': {"norm_cfg": {"type": "GN", "num_groups": 8}},
    "zero_init_residual=False": {"zero_init_residual": False},
    "kernel_size=5": {"kernel_size": 5},
    "anti_alias=True": {"anti_alias": True},
    'block="bottleneck"': {"block": "bottleneck"},
    "output_stride=16": {"output_stride": 16},
    "width=0.75": {"width": 0.75},
}
SETS = ("digits", "shapes")


@dataclass
class Split:
    """Images `(N, 3, H, W)` from 0 to 1 in memory, their objects, and COCO's ground truth."""

    images: Tensor
    targets: list[dict[str, Tensor]]
    truth: COCO


@dataclass(frozen=True)
class Schedule:
    """How long a training is."""

    epochs: int = 4
    batch: int = 8
    lr: float = 2e-3


# --- Data -------------------------------------------------------------------------------------


def shapes_scenes(split: str, folder: Path) -> Iterator[tuple[np.ndarray, list]]:
    """Image, and class and box x, y, w, h of its objects, of the generated data set."""
    make_shapes(folder, size=SIDE, progress=False)
    content = json.loads((folder / f"annotations/instances_{split}.json").read_text())
    for image in content["images"]:
        objects = [
            (one["category_id"], one["bbox"])
            for one in content["annotations"]
            if one["image_id"] == image["id"]
        ]
        name = Path(image["file_name"]).name
        yield np.asarray(Image.open(folder / split / name).convert("RGB")), objects


def digit_scenes(split: str, folder: Path) -> Iterator[tuple[np.ndarray, list]]:
    """The same of handwritten digits on noise."""
    _, scenes = digits(folder)
    for scene in scenes[split]:
        image = Image.fromarray(scene.pixels)
        scale = SIDE / image.width
        rgb = image.resize((SIDE, SIDE), Image.Resampling.BOX).convert("RGB")
        objects = [(int(name) + 1, [scale * one for one in box]) for name, box in scene.objects]
        yield np.asarray(rgb), objects


def read(name: str, split: str) -> Split:
    """A split of one of the two sets."""
    with tempfile.TemporaryDirectory() as folder:
        scenes = {"shapes": shapes_scenes, "digits": digit_scenes}[name]
        pairs = list(scenes(split, Path(folder, name)))
    images = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2) / 255
    targets, annotations = [], []
    for number, (_, objects) in enumerate(pairs):
        boxes = torch.tensor([box for _, box in objects], dtype=torch.float32).reshape(-1, 4)
        labels = torch.tensor([label for label, _ in objects], dtype=torch.int64)
        targets.append({"boxes": box_convert(boxes, "xywh", "xyxy"), "labels": labels})
        for label, box in objects:
            area = float(box[2] * box[3])
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": label}
                | {"bbox": list(map(float, box)), "area": area, "iscrowd": 0}
            )
    truth = COCO()
    truth.dataset = {
        "images": [{"id": number, "width": SIDE, "height": SIDE} for number in range(len(pairs))],
        "annotations": annotations,
        "categories": [{"id": one} for one in sorted({one["category_id"] for one in annotations})],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return Split(images, targets, truth)


# --- Model and training -----------------------------------------------------------------------


def backbone(options: dict[str, Any]) -> FlexResNet:
    """The network of a variant."""
    return FlexResNet(**{"depth": 18, "width": 0.5, "norm_eval": False} | options)


class Detector(nn.Module):
    """A small detector of centres (as arXiv 1904.07850), on the finest map of a pyramid.

    Each cell of stride 4 has a score for each class, high where an object has its centre, and the
    distances of four sides. Images `(N, 3, H, W)` from 0 to 1 to `(N, K + 4, H / 4, W / 4)`.
    """

    def __init__(self, options: dict[str, Any], num_classes: int) -> None:
        super().__init__()
        self.pyramid = FlexResNetFPN(backbone(options), out_channels=64, norm_layer=nn.BatchNorm2d)
        self.head = nn.Sequential(
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, num_classes + 4, 1)
        )
        nn.init.constant_(self.head[-1].bias[:num_classes], -4.0)  # few cells are centres

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pyramid((images - 0.45) / 0.25)["0"])


def targets_of(data: Split, num_classes: int) -> tuple[Tensor, Tensor]:
    """What each cell should say: `(N, K, h, w)`, 1 at centres; `(N, 4, h, w)` in cells, else 0."""
    cells = SIDE // STRIDE
    heat = torch.zeros(len(data.images), num_classes, cells, cells)
    sides = torch.zeros(len(data.images), 4, cells, cells)
    y, x = torch.meshgrid(*2 * [torch.arange(cells) + 0.5], indexing="ij")
    for number, one in enumerate(data.targets):
        for box, label in zip(one["boxes"] / STRIDE, one["labels"].tolist(), strict=True):
            centre, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
            row, column = (int(min(value, cells - 1)) for value in centre.flip(0))
            away = ((x - column - 0.5) / size[0]) ** 2 + ((y - row - 0.5) / size[1]) ** 2
            heat[number, label - 1] = heat[number, label - 1].maximum(torch.exp(-away / 0.045))
            near = (abs(x - column - 0.5) <= 1) & (abs(y - row - 0.5) <= 1)
            sides[number, :, near] = torch.stack(
                [x - box[0], y - box[1], box[2] - x, box[3] - y]
            ).clamp(min=0.1)[:, near]
    return heat, sides


def loss_of(found: Tensor, heat: Tensor, sides: Tensor) -> Tensor:
    """Focal loss of the centres, and IoU loss of the boxes at and beside them."""
    logits, log_sides = found.split([heat.shape[1], 4], dim=1)
    score, centre = logits.sigmoid(), heat == 1
    positive = (1 - score) ** 2 * nn.functional.logsigmoid(logits) * centre
    negative = (1 - heat) ** 4 * score**2 * nn.functional.logsigmoid(-logits) * ~centre
    near = sides.amax(1) > 0
    one = log_sides.movedim(1, -1)[near].clamp(max=4).exp()  # (M, 4)
    other = sides.movedim(1, -1)[near]
    width, height = (torch.minimum(one, other)[:, [a, a + 2]].sum(1) for a in (0, 1))
    areas = [(box[:, 0] + box[:, 2]) * (box[:, 1] + box[:, 3]) for box in (one, other)]
    overlap = width * height / (areas[0] + areas[1] - width * height)
    return -(positive + negative).sum() / centre.sum() - overlap.log().mean()


def train(options: dict[str, Any], data: Split, seed: int, schedule: Schedule) -> Detector:
    """Train from scratch; images are mirrored nowhere, since digits must not be."""
    torch.manual_seed(seed)
    classes = len(data.truth.getCatIds())
    model = Detector(options, classes).train()
    heat, sides = targets_of(data, classes)
    optimizer = torch.optim.AdamW(model.parameters(), schedule.lr, weight_decay=0.05, fused=True)
    steps = schedule.epochs * (len(data.images) // schedule.batch)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / 20) * (1 + math.cos(math.pi * step / steps)) / 2,
    )
    for _ in range(schedule.epochs):
        order = torch.randperm(len(data.images))
        for some in order[: len(order) // schedule.batch * schedule.batch].split(schedule.batch):
            loss = loss_of(model(data.images[some]), heat[some], sides[some])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10)
            optimizer.step()
            rate.step()
    return model.eval()


def detections(found: Tensor, first: int, limit: int = 30) -> Iterator[dict[str, Any]]:
    """The best peaks of each image, as entries of COCO's results files."""
    scores = found[:, :-4].sigmoid()
    scores = scores * (scores == nn.functional.max_pool2d(scores, 3, 1, 1))
    cells = scores.shape[-1]
    best, places = scores.flatten(1).topk(limit)
    labels, places = places // cells**2, places % cells**2
    sides = found[:, -4:].clamp(max=4).exp().flatten(2)
    for number in range(len(found)):
        left, top, right, bottom = sides[number][:, places[number]]
        x, y = places[number] % cells + 0.5, places[number] // cells + 0.5
        boxes = STRIDE * torch.stack([x - left, y - top, left + right, top + bottom], dim=1)
        for box, label, score in zip(
            boxes.tolist(), labels[number].tolist(), best[number].tolist(), strict=True
        ):
            yield {"image_id": first + number, "category_id": label + 1} | {
                "bbox": box,
                "score": score,
            }


@torch.inference_mode()
def mean_average_precision(model: Detector, data: Split) -> float:
    """COCO's bbox mAP, over IoU thresholds from 0.5 to 0.95."""
    entries: list[dict[str, Any]] = []
    for first in range(0, len(data.images), 25):
        entries += detections(model(data.images[first : first + 25]), first)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(data.truth, data.truth.loadRes(entries), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


# --- Results ----------------------------------------------------------------------------------


def kept(file: Path) -> dict[tuple[str, str, int], float]:
    """Set, variant and seed -> mAP, of the trainings done before."""
    lines = file.read_text().splitlines() if file.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return {(one["set"], one["variant"], one["seed"]): one["mAP"] for one in rows}


def run(file: Path, variants: Sequence[str], sets: Sequence[str], schedule: Schedule) -> None:
    """Train what is not in the file yet: one seed of everything, then the other."""
    data: dict[str, tuple[Split, Split]] = {}
    file.parent.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        for name in sets:
            for variant in variants:
                if (name, variant, seed) in kept(file):
                    continue
                if name not in data:
                    data[name] = read(name, "train"), read(name, "val")
                began = time.process_time()
                learnt = train(VARIANTS[variant], data[name][0], seed, schedule)
                score = mean_average_precision(learnt, data[name][1])
                row = {"set": name, "variant": variant, "seed": seed, "mAP": round(score, 4)}
                with file.open("a") as opened:
                    opened.write(json.dumps(row) + "\n")
                print(f"{json.dumps(row)}  {time.process_time() - began:.0f} s CPU", flush=True)


def time_steps(file: Path, variants: Sequence[str], rounds: int, batch: int = 16) -> None:
    """Milliseconds of forward and backward of each backbone, in turn; the medians are kept."""
    images = torch.rand(batch, 3, SIDE, SIDE)
    nets = {variant: backbone(VARIANTS[variant]).train() for variant in variants}
    spent: dict[str, list[float]] = {variant: [] for variant in variants}
    for turn in range(rounds + 1):
        for variant, net in nets.items():
            began = time.perf_counter()
            sum(one.mean() for one in net(images)).backward()
            if turn:  # the first one chooses kernels
                spent[variant].append(1e3 * (time.perf_counter() - began))
    file.parent.mkdir(parents=True, exist_ok=True)
    found = {variant: round(statistics.median(some), 1) for variant, some in spent.items()}
    about = {"processor": processor(), "threads": torch.get_num_threads(), "rounds": rounds}
    file.write_text(json.dumps({**about, "ms": found}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def table(scores: dict[tuple[str, str, int], float], times: dict[str, Any]) -> list[str]:
    """A row for each variant that was trained with all seeds on both sets."""
    scored = " | ".join(f"mAP on {name}" for name in SETS)
    lines = [
        f"| variant | parameters, M | MFLOPs | ms | {scored} |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for variant, options in VARIANTS.items():
        if not all((name, variant, seed) in scores for name in SETS for seed in SEEDS):
            continue
        costs = summarise(backbone(options), image=(SIDE, SIDE))
        ms = times.get("ms", {}).get(variant)
        row = [f"`{variant}`", f"{costs.parameters / 1e6:.2f}", f"{costs.flops / 1e6:.0f}"]
        row.append("" if ms is None else f"{ms:.0f}")
        for name in SETS:
            both = [scores[name, variant, seed] for seed in SEEDS]
            row.append(f"{statistics.mean(both):.3f} ±{abs(both[0] - both[1]) / 2:.3f}")
        lines.append(f"| {' | '.join(row)} |")
    return lines


def section(scores: dict[tuple[str, str, int], float], times: dict[str, Any]) -> list[str]:
    """The table, and how it was measured."""
    where = "Times are not measured yet."
    if times:
        where = (
            f"ms: forward and backward of the backbone, 16 images, {times['threads']} threads of "
            f"{times['processor']}, medians of {times['rounds']} rounds in turn."
        )
    spreads = [
        abs(scores[name, variant, 0] - scores[name, variant, 1])
        for name, variant, seed in scores
        if seed == 0 and (name, variant, 1) in scores
    ]
    return [
        *table(scores, times),
        "",
        f"Parameters, FLOPs and time are those of the backbone at {SIDE}x{SIDE}; a multiply-add is "
        f"two. mAP: mean of two seeds ± half of their difference. {where} Between the two seeds of "
        f"a row it differs by {statistics.median(spreads):.3f} in the median, "
        f"{max(spreads):.3f} at most.",
    ]


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--epochs", type=int, default=Schedule.epochs)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--times", type=Path, default=TIMES)
    parser.add_argument("--time", action="store_true", help="measure times alone")
    parser.add_argument("--rounds", type=int, default=9, help="of --time")
    parser.add_argument("--write", action="store_true", help="write the table alone")
    parser.add_argument("--page", type=Path, default=PAGE)
    args = parser.parse_args(given)
    if args.time:
        time_steps(args.times, args.only, args.rounds)
    if not args.time and not args.write:
        run(args.results, args.only, args.sets, Schedule(epochs=args.epochs))
    if args.write:
        scores = kept(args.results)
        if not scores:
            sys.exit(f"{args.results}: nothing is trained yet")
        times = json.loads(args.times.read_text()) if args.times.exists() else {}
        put_section(args.page, "options study", section(scores, times))


if __name__ == "__main__":
    main()
