"""What MMEngine meets an epoch later, or never, is refused at the start or told."""

import pytest

pytest.importorskip("mmengine")

from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage

from resblock_backbones.openmmlab.configs.top_level import unused_keys
from resblock_backbones.openmmlab.datasets.pipelines import check_pipelines
from resblock_backbones.openmmlab.training.setup.first_steps import first_steps_told
from resblock_backbones.openmmlab.training.setup.hooks import (
    check_checkpoint_hook,
    check_default_hooks,
    check_save_best,
)
from resblock_backbones.openmmlab.training.setup.optimizers import check_optimizer
from resblock_backbones.openmmlab.training.setup.values import check_values
from resblock_backbones.options.errors import ConfigError

SGD = {"type": "SGD", "lr": 0.1}
COCO = {"type": "CocoMetric", "metric": ["bbox", "segm"]}


def saved(best, **evaluator):
    hook = {"type": "CheckpointHook", "save_best": best}
    return {"val_evaluator": {**COCO, **evaluator}, "default_hooks": {"checkpoint": hook}}


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_default_hooks({"loggers": {}}), "has no 'loggers'; did you mean 'logger'"),
        (
            lambda: check_checkpoint_hook({"type": "CheckpointHook", "intervall": 3}),
            "CheckpointHook has no argument 'intervall'; did you mean 'interval'",
        ),
        (
            lambda: check_optimizer({"optimizer": SGD, "clip_grad": {"max_nrm": 1}}),
            "clip_grad: there is no 'max_nrm'; did you mean 'max_norm'",
        ),
        (
            lambda: check_optimizer({"optimizer": SGD, "clip_grad": {"type": "value"}}),
            "clip_grad: needs 'clip_value'",
        ),
        (
            lambda: check_optimizer({"optimizer": SGD, "paramwise_cfg": {"custom_key": {}}}),
            "paramwise_cfg: there is no 'custom_key'; did you mean 'custom_keys'",
        ),
        (
            lambda: check_save_best(saved("segm_mAP"), val_loss=False),
            "'segm_mAP' is no metric of val_evaluator; did you mean 'coco/segm_mAP'",
        ),
        (lambda: check_save_best(saved(["loss"]), val_loss=False), "there are coco/bbox_mAP"),
    ],
)
def test_it_is_refused_with_the_nearest_name(check, message):
    with pytest.raises(ConfigError, match=message):
        check()


LOAD = {"type": "LoadImageFromFile"}
LABELS = {"type": "LoadAnnotations", "with_bbox": True}
PACK = {"type": "PackDetInputs"}


def data(*steps, **wrapper):
    dataset = {"type": "CocoDataset", "pipeline": list(steps)}
    return {"default_scope": "mmdet", "train_dataloader": {"dataset": wrapper or dataset}}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((LOAD, LABELS), "ends with LoadAnnotations, and nothing packs its data.*PackDetInputs"),
        ((LOAD, PACK), "loads no annotations to train with; put dict.*behind LoadImageFromFile"),
    ],
)
def test_pipelines_without_a_step_that_models_need_are_refused(steps, message):
    pytest.importorskip("mmdet.datasets")
    with pytest.raises(ConfigError, match=message):
        check_pipelines(data(*steps), ["train_dataloader"])
    own = {"type": "SomebodysOwn"}
    check_pipelines(data(*steps, own), ["train_dataloader"])
    check_pipelines(data(LOAD, LABELS, PACK), ["train_dataloader"])
    inner = {"type": "CocoDataset", "pipeline": [LOAD, LABELS]}
    mixed = data(type="MultiImageMixDataset", dataset=inner, pipeline=[PACK])
    check_pipelines(mixed, ["train_dataloader"])


def test_what_is_right_is_not():
    check_default_hooks({"logger": {}, "visualization": {}, "my_own": {}, "logger_2": {}})
    check_checkpoint_hook({"type": "CheckpointHook", "interval": 1, "meta": {}, "priority": "LOW"})
    check_optimizer({"optimizer": SGD, "clip_grad": {"max_norm": 1, "norm_type": 2}})
    for best in ("auto", "coco/bbox_mAP_50", ["coco/bbox_mAP", "coco/segm_mAP"], "val_loss"):
        check_save_best(saved(best), val_loss=True)
    check_save_best(saved("anything", type="MyMetric"), val_loss=False)


def test_keys_of_older_configs_are_told(tmp_path):
    old = {"lr_config": {"policy": "step"}, "total_epochs": 12, "optimizer": SGD}
    cfg = {**old, "optim_wrapper": {"optimizer": {**SGD, "lr": 1}}}
    file = tmp_path / "a.py"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in old.items()))
    told = [line.partition(":")[0] for line in unused_keys(cfg, file)]
    assert told == ["lr_config", "total_epochs", "optimizer"]
    assert not list(unused_keys({**cfg, **old, "optim_wrapper": {"optimizer": SGD}}, file))[2:]
    # Variables of a base config are no mistake.
    file.write_text("_base_ = ['b.py']\n")
    assert not list(unused_keys(cfg, file))


@pytest.mark.parametrize(
    ("reached", "message"),
    [
        (set(), "the start of the training fails"),
        ({"before_train_iter"}, r"the first iteration fails in head .*, line \d+\): raise Asser"),
        ({"before_train_iter", "after_train_iter", "before_val_iter"}, "the first validation"),
    ],
)
def test_what_fails_when_it_is_first_used_is_one_line(reached, message):
    def head():
        raise AssertionError

    told = f"{message}.*; --traceback shows"
    with pytest.raises(ConfigError, match=told), first_steps_told(reached):
        head()
    later = {"before_train_iter", "after_train_iter", "before_val_iter", "after_val_epoch"}
    with pytest.raises(AssertionError), first_steps_told(later):
        head()


def test_what_a_loader_s_process_raised_is_its_last_line_and_its_death_is_left_to_others():
    text = "Caught KeyError.\nTraceback (most recent call last):\n  ...\nKeyError: 'img'"
    told = r"line \d+\): KeyError: 'img'; --trace"
    with pytest.raises(ConfigError, match=told), first_steps_told(set()):
        raise RuntimeError(text)
    with pytest.raises(RuntimeError, match="exited"), first_steps_told(set()):
        raise RuntimeError("DataLoader worker (pid(s) 1) exited unexpectedly")


LOOP = {"type": "EpochBasedTrainLoop", "max_epochs": 2}
ENDLESS = {"type": "InfiniteSampler", "shuffle": True}
BY_ITERATION = {"type": "IterBasedTrainLoop", "max_iters": 2}
NAN = float("nan")
STEPS = {"type": "StepLR", "step_size": 8}
WINDOW = {"data_src": "loss", "method_name": "mean", "window_size": 0}
LINEAR = {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 50}


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"train_cfg": LOOP | {"val_begin": "a"}}, "train_cfg.val_begin='a': Epoch.* takes int"),
        ({"train_cfg": LOOP | {"val_interval": None}}, "val_interval=None"),
        ({"train_cfg": LOOP | {"val_interval": 0}}, "train_cfg.val_interval=0: must be at least 1"),
        ({"train_cfg": LOOP | {"max_epochs": 1.5}}, "max_epochs=1.5: .* takes int"),
        ({"train_cfg": LOOP | {"max_epochs": -1}}, "max_epochs=-1: must be at least 1"),
        ({"train_cfg": {"by_epoch": False, "max_iters": "9"}}, "max_iters='9': IterBased"),
        ({"train_cfg": BY_ITERATION | {"val_begin": [1]}}, r"val_begin=\[1\]: IterBased"),
        ({"train_cfg": LOOP | {"dynamic_intervals": [3]}}, r"dynamic_intervals=\[3\]: .* takes"),
        ({"train_cfg": LOOP | {"dynamic_intervals": [(5, 0)]}}, "an interval must be at least 1"),
        (
            {"train_cfg": LOOP | {"max_epochs": NAN}},
            "max_epochs=nan: EpochBasedTrainLoop takes int",
        ),
        ({"train_cfg": BY_ITERATION | {"val_interval": NAN}}, "val_interval=nan: IterBased"),
        ({"param_scheduler": [STEPS | {"step_size": 0}]}, "step_size=0: must be at least 1"),
        ({"param_scheduler": STEPS | {"step_size": "a"}}, "step_size='a': StepLR takes int"),
        ({"param_scheduler": {"type": "CosineAnnealingLR", "T_max": 0}}, "T_max=0: must be at"),
        ({"log_processor": {"window_size": 0}}, "log_processor.window_size=0: must be at least 1"),
        ({"train_cfg": LOOP | {"max_epochs": float("inf")}}, "max_epochs=inf: the length of a run"),
        ({"auto_scale_lr": {"base_batch_size": 0}}, "auto_scale_lr.base_batch_size=0: must be at"),
        ({"log_processor": {"window_size": NAN}}, "window_size=nan: must be at least 1"),
        ({"log_processor": {"custom_cfg": [WINDOW]}}, r"custom_cfg\[0\].window_size=0: must be at"),
        (
            {"train_dataloader": {"num_workers": "a"}},
            "train_dataloader.num_workers='a': DataLoader",
        ),
        ({"val_dataloader": {"batch_size": 0}}, "val_dataloader.batch_size=0: must be at least 1"),
        ({"train_cfg": "EpochBasedTrainLoop"}, "train_cfg='EpochBasedTrainLoop': must be a dict"),
        ({"val_cfg": {"type": "ValLoop", "fp16": "a"}}, "val_cfg.fp16='a': ValLoop takes bool"),
        (
            {"train_cfg": LOOP, "train_dataloader": {"sampler": ENDLESS}},
            "train_dataloader.sampler=InfiniteSampler: an epoch of it never ends",
        ),
        (
            {"train_cfg": BY_ITERATION, "val_dataloader": {"sampler": ENDLESS}},
            "val_dataloader.sampler=InfiniteSampler: it never ends",
        ),
        ({"env_cfg": None}, "env_cfg=None: must be a dict"),
        ({"env_cfg": {"dist_cfg": "nccl"}}, "env_cfg.dist_cfg='nccl': must be a dict"),
        ({"optim_wrapper": {"optimizer": "SGD"}}, "optim_wrapper.optimizer='SGD': must be a dict"),
        (
            {"log_processor": {"type": "LogProcessor", "window_size": "a"}},
            "log_processor.window_size='a': LogProcessor takes a number or None",
        ),
        ({"custom_hooks": {"type": "EMAHook"}}, "custom_hooks=.*: must be a list"),
        (
            {"default_hooks": {"logger": {"type": "LoggerHook", "interval": "a"}}},
            "default_hooks.logger.interval='a': LoggerHook takes int",
        ),
        (
            {"custom_hooks": [{"type": "EMAHook"}, {"type": "EMAHook", "begin_iter": "a"}]},
            r"custom_hooks\[1\].begin_iter='a': EMAHook takes int",
        ),
        ({"param_scheduler": [LINEAR | {"end": "a"}]}, r"param_scheduler\[0\].end='a': LinearLR"),
        ({"param_scheduler": LINEAR | {"start_factor": "a"}}, "param_scheduler.start_factor='a'"),
        ({"randomness": {"seed": 1, "deterministic": "no"}}, "randomness.deterministic='no'"),
        ({"train_dataloader": {"batch_size": "4"}}, "train_dataloader.batch_size='4': DataLoader"),
        (
            {"val_dataloader": {"sampler": {"type": "DefaultSampler", "shuffle": "a"}}},
            "val_dataloader.sampler.shuffle='a': DefaultSampler takes bool",
        ),
    ],
)
def test_values_of_another_type_are_refused(cfg, message):
    with pytest.raises(ConfigError, match=message):
        check_values(cfg)


def test_values_that_work_are_not():
    check_values({"train_cfg": LOOP | {"max_epochs": 12.0, "val_begin": 3, "val_interval": 2}})
    check_values({"train_cfg": BY_ITERATION | {"dynamic_intervals": [(0, 10), [20, 1]]}})
    check_values({"param_scheduler": [LINEAR | {"end": float("inf")}, LINEAR | {"begin": 0.0}]})
    check_values({"param_scheduler": {"type": "OneCycleLR", "eta_max": [0.1, 0.2]}})
    check_values({"param_scheduler": [STEPS, {"type": "CosineAnnealingLR", "T_max": None}]})
    check_values({"log_processor": {"custom_cfg": [WINDOW | {"window_size": "epoch"}]}})
    for scale in (512.0, "dynamic", {"init_scale": 512.0}):
        check_values({"optim_wrapper": {"type": "AmpOptimWrapper", "loss_scale": scale}})
    for ema in ("ExpMomentumEMA", ExponentialMovingAverage):
        check_values({"custom_hooks": [{"type": EMAHook, "ema_type": ema}]})
    check_values({"val_cfg": None, "train_cfg": None, "custom_hooks": (), "randomness": {}})
    check_values({"custom_hooks": [{"type": "SomebodysOwn", "interval": "a"}, SGD]})
    check_values({"train_cfg": BY_ITERATION, "train_dataloader": {"sampler": ENDLESS}})
    check_values({"train_dataloader": {"batch_size": None, "prefetch_factor": None}})
