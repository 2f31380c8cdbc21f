"""What MMEngine meets an epoch later, or never, is refused at the start or told."""

import pytest

pytest.importorskip("mmengine")

from resblock_backbones.openmmlab.configs.unused_keys import unused_keys
from resblock_backbones.openmmlab.datasets.pipelines import check_pipelines
from resblock_backbones.openmmlab.training.setup.first_steps import first_steps_told
from resblock_backbones.openmmlab.training.setup.hooks import (
    check_checkpoint_hook,
    check_default_hooks,
    check_save_best,
)
from resblock_backbones.openmmlab.training.setup.optimizers import check_optimizer
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
