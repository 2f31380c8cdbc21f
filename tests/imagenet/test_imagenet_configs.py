"""The configs for MMPretrain: all of them build, and one trains where MMPretrain is installed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resblock_backbones import FlexResNet

mmengine = pytest.importorskip("mmengine")
from mmengine.config import Config  # noqa: E402

FOLDER = Path(__file__).parents[2] / "configs" / "imagenet"
CONFIGS = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_head_takes_what_the_backbone_gives(path):
    cfg = Config.fromfile(path)
    options = cfg.model.backbone.to_dict()
    assert options.pop("type") == "FlexResNet"
    with torch.device("meta"):
        net = FlexResNet(**options)
    assert net.out_channels == (cfg.model.head.in_channels,)
    assert cfg.custom_imports == {"imports": ["resblock_backbones"]}


def test_there_is_one_for_each_row_of_the_post_s_table():
    stems = {path.stem for path in CONFIGS}
    assert {f"flexr{depth}_8xb32_in1k" for depth in (18, 34, 50, 101, 152)} <= stems


def test_one_trains_and_is_tested_by_mmpretrain(tmp_path, monkeypatch):
    pytest.importorskip("mmpretrain")
    from mmengine.runner import Runner

    generator = np.random.default_rng(0)
    for label in range(3):
        (tmp_path / "data" / f"class{label}").mkdir(parents=True)
        for number in range(3):
            pixels = generator.integers(0, 85, (48, 48, 3), dtype=np.uint8) + 85 * label
            Image.fromarray(pixels).save(tmp_path / "data" / f"class{label}" / f"{number}.png")
    cfg = Config.fromfile(FOLDER / "flexr18-half_8xb32_in1k.py")
    cfg.work_dir = str(tmp_path / "work")
    cfg.train_cfg.max_epochs = 1
    cfg.data_preprocessor.num_classes = cfg.model.head.num_classes = 3
    cfg.model.head.topk = cfg.val_evaluator.topk = cfg.test_evaluator.topk = (1,)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.num_workers, loader.batch_size = 0, 3
        dataset = {"type": "CustomDataset", "data_root": str(tmp_path / "data")}
        loader.dataset = dataset | {"pipeline": loader.dataset.pipeline}
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert isinstance(runner.model.backbone, FlexResNet)
    assert "accuracy/top1" in runner.test()
    again = FlexResNet.from_checkpoint(tmp_path / "work" / "epoch_1.pth")
    assert torch.equal(again.conv1.weight, runner.model.backbone.conv1.weight.cpu())
