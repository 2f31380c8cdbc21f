"""Train torchvision's Faster R-CNN with a FlexResNet on COCO files, in plain PyTorch.

    resblock shapes --out data/shapes
    python examples/faster_rcnn.py data/shapes

needs torch, torchvision, pycocotools and this package. A data set of one's own in the same folders
(annotations/instances_train.json, annotations/instances_val.json, train/, val/) trains likewise.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_image
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign, box_convert
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes

from resblock_backbones import FlexResNet
from resblock_backbones.adapters.missing import missing
from resblock_backbones.adapters.torchvision import FlexResNetFPN

try:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
except ModuleNotFoundError as error:
    raise missing("pycocotools", "lightning", error) from error


class CocoBoxes(Dataset):
    """Images, RGB from 0 to 1, and their boxes.

    Labels are 1, 2, ... in the order of the file's category ids; 0 is torchvision's background.
    """

    def __init__(self, root: Path, split: str, *, flip: bool = False) -> None:
        self.images = root / split
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports each step
            self.coco = COCO(str(root / f"annotations/instances_{split}.json"))
        self.image_ids = sorted(self.coco.imgs)
        self.category_ids = sorted(self.coco.cats)
        self.classes = [self.coco.cats[number]["name"] for number in self.category_ids]
        flips = [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
        self.transform = v2.Compose(flips if flip else [v2.Identity()])

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        image_id = self.image_ids[index]
        file = self.images / self.coco.imgs[image_id]["file_name"]
        image = decode_image(str(file), ImageReadMode.RGB, apply_exif_orientation=True) / 255
        objects = self.coco.imgToAnns[image_id]
        objects = [one for one in objects if not one.get("iscrowd") and min(one["bbox"][2:]) > 0]
        boxes = torch.tensor([one["bbox"] for one in objects], dtype=torch.float32).reshape(-1, 4)
        boxes = BoundingBoxes(
            box_convert(boxes, "xywh", "xyxy"), format="XYXY", canvas_size=image.shape[-2:]
        )
        image, boxes = self.transform(image, boxes)
        labels = [1 + self.category_ids.index(one["category_id"]) for one in objects]
        return image, {
            "boxes": boxes.as_subclass(Tensor),
            "labels": torch.tensor(labels, dtype=torch.int64),
            "image_id": torch.tensor(image_id),
        }


def loaders(root: Path, batch_size: int, workers: int) -> tuple[DataLoader, DataLoader]:
    """Batches for training, in a new order in each epoch, and for evaluation."""

    def loader(split: str, train: bool) -> DataLoader:
        return DataLoader(
            CocoBoxes(root, split, flip=train),
            batch_size,
            shuffle=train,
            drop_last=train,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=lambda pairs: tuple(zip(*pairs, strict=True)),  # images differ in size
        )

    return loader("train", True), loader("val", False)


def build_model(num_classes: int, *, width: float = 0.5, size: int = 160) -> FasterRCNN:
    """A small Faster R-CNN to train from scratch.

    Args:
        num_classes: without the background.
        width: of the ResNet-18; 1.0 is the published one.
        size: of the shorter side of the images, in pixels.
    """
    net = FlexResNet(18, width=width, norm_eval=False, zero_init_residual=False)
    backbone = FlexResNetFPN(net, out_channels=64, norm_layer=nn.BatchNorm2d)
    return FasterRCNN(
        backbone,
        rpn_anchor_generator=backbone.anchors(smallest=32),
        rpn_pre_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_train=100,
        rpn_post_nms_top_n_test=100,
        box_roi_pool=MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=7, sampling_ratio=1),
        box_head=TwoMLPHead(64 * 7 * 7, 256),
        box_predictor=FastRCNNPredictor(256, num_classes + 1),
        box_batch_size_per_image=64,
        min_size=size,
        max_size=8 * size // 5,
    )


def optimizer_of(
    model: nn.Module, lr: float, steps: int
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW, and its learning rate for each iteration: a warm-up of 50, and a cosine to 0."""
    optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 50) * (1 + math.cos(math.pi * step / steps)) / 2
    )
    return optimizer, schedule


@torch.inference_mode()
def detections(
    model: FasterRCNN, images: Sequence[Tensor], targets: Sequence[dict], data: CocoBoxes
) -> list[dict]:
    """What the model detects, as entries of COCO's results files."""
    entries = []
    for found, target in zip(model(images), targets, strict=True):
        boxes = box_convert(found["boxes"], "xyxy", "xywh").tolist()
        for box, label, score in zip(boxes, found["labels"], found["scores"], strict=True):
            entries.append(
                {
                    "image_id": int(target["image_id"]),
                    "category_id": data.category_ids[int(label) - 1],
                    "bbox": box,
                    "score": float(score),
                }
            )
    return entries


def mean_average_precision(data: CocoBoxes, entries: list[dict]) -> float:
    """COCO's bbox mAP, over IoU thresholds from 0.5 to 0.95."""
    if not entries:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(data.coco, data.coco.loadRes(entries), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def train_one_epoch(
    model: FasterRCNN,
    loader: DataLoader,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    device: str,
) -> float:
    """Train on all images once; returns the mean loss."""
    model.train()
    total = 0.0
    for images, targets in loader:
        images = [image.to(device) for image in images]
        targets = [{name: one.to(device) for name, one in target.items()} for target in targets]
        loss = sum(model(images, targets).values())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 35)
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
    return total / max(1, len(loader))


def evaluate(model: FasterRCNN, loader: DataLoader, device: str) -> float:
    """The bbox mAP on a data set."""
    model.eval()
    entries = []
    for images, targets in loader:
        images = [image.to(device) for image in images]
        entries += detections(model, images, targets, loader.dataset)
    return mean_average_precision(loader.dataset, entries)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The command line, of the Lightning example too."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder of the data set")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/faster_rcnn"))
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--width", type=float, default=0.5, help="of the ResNet-18")
    parser.add_argument("--size", type=int, default=160, help="shorter side of the images")
    parser.add_argument("--workers", type=int, default=0, help="processes that load images")
    parser.add_argument("--eval-every", type=int, default=5, help="epochs")
    return parser


def main(given: Sequence[str] | None = None) -> float:
    """Train and evaluate; returns the last bbox mAP."""
    args = arguments(__doc__).parse_args(given)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    train, val = loaders(args.data, args.batch_size, args.workers)
    classes, score = train.dataset.classes, 0.0
    model = build_model(len(classes), width=args.width, size=args.size).to(device)
    optimizer, schedule = optimizer_of(model, args.lr, args.epochs * len(train))
    args.out.mkdir(parents=True, exist_ok=True)
    for epoch in range(1, args.epochs + 1):
        began = time.perf_counter()
        loss = train_one_epoch(model, train, optimizer, schedule, device)
        line = f"epoch {epoch}: loss {loss:.3f}, {time.perf_counter() - began:.0f} s"
        if epoch % args.eval_every == 0 or epoch == args.epochs:
            score = evaluate(model, val, device)
            torch.save({"state_dict": model.state_dict(), "classes": classes}, args.out / "last.pt")
            line += f", bbox mAP {score:.3f}"
        print(line, flush=True)
    return score


if __name__ == "__main__":
    main()
