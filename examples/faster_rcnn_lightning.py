"""Train the Faster R-CNN of faster_rcnn.py as a Lightning module.

    resblock shapes --out data/shapes
    python examples/faster_rcnn_lightning.py data/shapes

needs `pip install 'resblock_backbones[lightning]'` beside what faster_rcnn.py needs. Lightning's
Trainer brings checkpoints, loggers, mixed precision and several GPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from faster_rcnn import (
    CocoBoxes,
    arguments,
    build_model,
    detections,
    loaders,
    mean_average_precision,
    optimizer_of,
)
from torch import Tensor

from resblock_backbones.adapters.missing import missing

try:
    import lightning
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger
except ModuleNotFoundError as error:
    raise missing("lightning", "lightning", error) from error


class Detector(lightning.LightningModule):
    """Losses, evaluation and optimizer of the detector.

    Args:
        val: the data set of the evaluation.
        lr: the largest learning rate.
        width, size: of the backbone and of the images, as ``build_model`` takes them.
    """

    def __init__(self, val: CocoBoxes, *, lr: float, width: float, size: int) -> None:
        super().__init__()
        self.val, self.lr = val, lr
        self.model = build_model(len(val.classes), width=width, size=size)
        self.entries: list[dict] = []

    def training_step(self, batch: tuple, batch_index: int) -> Tensor:
        images, targets = batch
        losses = self.model(list(images), list(targets))
        self.log_dict(losses, batch_size=len(images))
        return sum(losses.values())

    def validation_step(self, batch: tuple, batch_index: int) -> None:
        images, targets = batch
        self.entries += detections(self.model, images, targets, self.val)

    def on_validation_epoch_end(self) -> None:
        score = mean_average_precision(self.val, self.entries)
        self.entries.clear()
        self.log("bbox_mAP", score, prog_bar=True)
        self.print(f"epoch {self.current_epoch + 1}: bbox mAP {score:.3f}")

    def configure_optimizers(self) -> dict[str, Any]:
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer, schedule = optimizer_of(self.model, self.lr, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def main(given: Sequence[str] | None = None) -> float:
    """Train and evaluate; returns the last bbox mAP."""
    args = arguments(__doc__).parse_args(given)
    lightning.seed_everything(0)
    train, val = loaders(args.data, args.batch_size, args.workers)
    detector = Detector(val.dataset, lr=args.lr, width=args.width, size=args.size)
    trainer = lightning.Trainer(
        max_epochs=args.epochs,
        gradient_clip_val=35,
        check_val_every_n_epoch=args.eval_every,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        log_every_n_steps=25,
        logger=CSVLogger(args.out),
        callbacks=[ModelCheckpoint(args.out, filename="best", monitor="bbox_mAP", mode="max")],
    )
    trainer.fit(detector, train, val)
    return float(trainer.callback_metrics["bbox_mAP"])


if __name__ == "__main__":
    main()
