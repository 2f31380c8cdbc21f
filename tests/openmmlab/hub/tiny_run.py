"""The work folder of a run, as MMEngine leaves it, with a tiny FCOS; nothing is trained."""

import json

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from resblock_backbones.files.shipped_configs import find_config
from resblock_backbones.openmmlab.configs.scopes import import_scope
from resblock_backbones.openmmlab.models.channels import link_channels

CLASSES = ("cat", "dog")
FIRST, SECOND = "20260101_100000", "20260102_100000"
SHIPPED = "resblock::fcos/fcos_flexr18-half_fpn_shapes.py"


def tiny_config(data_root="/home/me/secret/pets/"):
    cfg = Config.fromfile(find_config(SHIPPED))
    cfg.model.backbone.update(
        width=1.0, base_channels=2, stage_blocks=(1, 1, 1, 1), init_cfg=None, channels_last=False
    )
    cfg.model.neck.update(out_channels=4, norm_cfg=None)
    cfg.model.bbox_head.update(
        num_classes=2, in_channels=4, feat_channels=4, stacked_convs=1,
        norm_cfg={"type": "GN", "num_groups": 2},
    )  # fmt: skip
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = data_root
        loader.dataset.metainfo = {"classes": CLASSES}
    return cfg


def tiny_model(cfg):
    import_scope("mmdet")
    init_default_scope("mmdet")
    link_channels(cfg.model)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    for name, value in model.state_dict().items():
        if "bbox_head" in name and value.dim() > 1:
            value.normal_(0, 0.3)  # scores that differ, as those of a trained model do
    return model


def write_run(folder, cfg, model, *, time=FIRST, epoch=2, scores=None, resume=False):
    """A run's config, log and checkpoint; ``scores`` is epoch -> bbox mAP."""
    logs = folder / time / "vis_data"
    logs.mkdir(parents=True)
    run = Config(cfg._cfg_dict.to_dict())
    run.resume, run.load_from, run.work_dir = resume, "/home/me/secret/old.pth", str(folder)
    run.dump(logs / "config.py")
    lines = [{"loss": 1.0, "epoch": epoch, "step": epoch}]
    for step, score in (scores or {}).items():
        metrics = {"coco/bbox_mAP": score, "coco/bbox_mAP_l": -1.0, "coco/cat_precision": 0.25}
        lines.append({**metrics, "data_time": 0.1, "time": 0.2, "step": step})
    text = "\n".join(map(json.dumps, lines))
    (logs / "scalars.json").write_text(text + '\n{"coco/bbox_mAP": 0.9')  # killed while it wrote
    file = folder / f"epoch_{epoch}.pth"
    meta = {
        "epoch": epoch, "iter": 10 * epoch, "experiment_name": f"pets_{time}",
        "dataset_meta": {"classes": CLASSES, "palette": [(9, 9, 9)] * 80},
        "mmengine_version": "0.10.12",
    }  # fmt: skip
    torch.save({"meta": meta, "state_dict": model.state_dict()}, file)
    (folder / "last_checkpoint").write_text(f"/somewhere/else/{file.name}")
    return file
