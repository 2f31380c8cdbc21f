"""What is watched while a model trains."""

import copy
import errno
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner

from resblock_backbones.data import make_shapes
from resblock_backbones.openmmlab.models.channels import link_channels
from resblock_backbones.openmmlab.training.screen import raise_of_log_files
from resblock_backbones.openmmlab.training.watching.finite import FiniteLossHook, TrainingError
from resblock_backbones.openmmlab.training.watching.metrics import early_stop, main_metric
from resblock_backbones.openmmlab.training.watching.setup import watch
from resblock_backbones.openmmlab.training.watching.validation_loss import (
    loss_dataloader,
    validation_losses,
)
from resblock_backbones.options.errors import ConfigError

CONFIGS = Path(__file__).parents[4] / "configs"
DETECTOR = "faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"
SEGMENTOR = "deeplabv3plus/deeplabv3plus_flexr18-half-d16_shapes.py"


@pytest.mark.parametrize("config", [DETECTOR, SEGMENTOR], ids=["detector", "segmentor"])
def test_the_validation_loss_is_the_training_loss_of_the_same_images(tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    make_shapes(Path("data/shapes"), train=1, val=2, progress=False)
    cfg = Config.fromfile(CONFIGS / config)
    cfg.merge_from_dict({"model.backbone.width": 0.25})
    link_channels(cfg.model)
    init_default_scope(cfg.default_scope)
    for name in ("train_dataloader", "val_dataloader"):
        cfg[name].update(num_workers=0, persistent_workers=False, batch_size=2)
    # The training pipeline on the validation images, without its random steps.
    plain = copy.deepcopy(cfg.val_dataloader)
    plain.dataset.pipeline = [
        step for step in cfg.train_dataloader.dataset.pipeline if step.type != "RandomFlip"
    ]
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).double()
    model.data_preprocessor.double()
    before = copy.deepcopy(model.state_dict())
    numbers = torch.get_rng_state()
    losses = validation_losses(_in_double(model), Runner.build_dataloader(loss_dataloader(cfg)))
    assert torch.equal(torch.get_rng_state(), numbers) and model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

    torch.manual_seed(0)  # the heads draw samples
    (batch,) = Runner.build_dataloader(plain)
    model.eval()
    data = model.data_preprocessor(batch, True)
    with torch.no_grad():  # sums in another order turn near-ties of random proposals
        expected, _ = model.parse_losses(model(**data, mode="loss"))
    assert losses["val_loss"] == pytest.approx(expected.item(), rel=1e-12)


def _in_double(model):
    """The preprocessors make float32 of any image."""
    model.data_preprocessor.register_forward_hook(
        lambda module, given, out: out | {"inputs": out["inputs"].double()}
    )
    return model


COCO = {"val_cfg": {"type": "ValLoop"}, "val_evaluator": {"type": "CocoMetric", "metric": "bbox"}}


@pytest.mark.parametrize(
    ("text", "cfg", "message"),
    [
        ("bbox_mAPP", COCO, "did you mean"),
        ("mIoU", COCO, "'mIoU' is no metric of val_evaluator"),
        ("bbox_mAP:0", COCO, "'0' is no number of validations"),
        ("bbox_mAP:soon", COCO, "'soon' is no number of validations"),
        ("val_loss", COCO, "needs --val-loss"),
        ("bbox_mAP", {}, "no val_cfg and val_evaluator"),
    ],
)
def test_a_wrong_metric_is_told_before_training(text, cfg, message):
    with pytest.raises(ConfigError, match=message):
        early_stop(text, cfg, val_loss=False)


def test_the_masks_choose_the_best_checkpoint_of_masks_and_a_wish_of_the_config_is_kept():
    both = COCO | {"val_evaluator": {"type": "CocoMetric", "metric": ["bbox", "segm"]}}
    assert main_metric(both, val_loss=False) == "coco/segm_mAP"
    assert main_metric({"val_evaluator": {"type": "Mine"}}, val_loss=True) == "val_loss"
    hook = {"type": "CheckpointHook", "save_best": None}
    watch(COCO | {"default_hooks": {"checkpoint": hook}}, val_loss=False, stop=None)
    assert hook["save_best"] is None


def test_a_metric_that_stays_ends_training_after_its_patience():
    hooks, _ = watch(COCO, val_loss=False, stop="bbox_mAP:2")
    runner = SimpleNamespace(
        train_loop=SimpleNamespace(stop_training=False), logger=SimpleNamespace(info=print)
    )
    stopped = []
    for value in (0.1, 0.2, 0.2, 0.2):
        hooks[-1].after_val_epoch(runner, {"coco/bbox_mAP": value})
        stopped.append(runner.train_loop.stop_training)
    assert stopped == [False, False, False, True]


def test_the_first_loss_that_is_no_number_ends_the_run_with_its_images():
    runner = SimpleNamespace(iter=6, optim_wrapper=SimpleNamespace())
    sample = SimpleNamespace(metainfo={"img_path": "data/dark.png"})
    outputs = {"loss": torch.tensor(float("nan")), "loss_bbox": torch.tensor(float("nan"))}
    hook = FiniteLossHook()
    hook.after_train_iter(runner, 0, None, {"loss": torch.tensor(1.0)})
    with pytest.raises(TrainingError, match=r"iteration 7: loss_bbox is nan.* dark\.png"):
        hook.after_train_iter(runner, 0, {"data_samples": [sample]}, outputs)


def test_a_log_file_on_a_full_disk_is_an_error_with_its_name(tmp_path, monkeypatch, capsys):
    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    logger = logging.Logger("run")
    handler = logging.FileHandler(tmp_path / "run.log")
    logger.addHandler(handler)
    raise_of_log_files(logger)
    logger.info("it has room")
    monkeypatch.setattr(handler, "flush", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        logger.info("and now it has not")
    assert raised.value.filename == str(tmp_path / "run.log") and not capsys.readouterr().err
    monkeypatch.undo()
    handler.close()
