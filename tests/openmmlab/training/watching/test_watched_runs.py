"""A small run of MMEngine with what is watched in it."""

import itertools
import math

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import nn

from resblock_backbones.openmmlab.training.runner import FlexRunner
from resblock_backbones.openmmlab.training.watching.early_stop import EarlyStopHook
from resblock_backbones.openmmlab.training.watching.finite import FiniteLossHook, TrainingError
from resblock_backbones.openmmlab.training.watching.speed import SpeedHook

SCORES = [0.1, 0.5, 0.2, 0.3, 0.4, 0.45, 0.45, 0.45]


class Line(BaseModel):
    """A straight line; its loss is no number in iterations that are named."""

    def __init__(self, broken=()):
        super().__init__()
        self.line = nn.Linear(1, 1)
        self.broken, self.iterations = set(broken), 0

    def forward(self, inputs, data_samples=None, mode="loss"):
        if mode != "loss":
            return [{} for _ in inputs]
        self.iterations += 1
        loss = (self.line(torch.stack(list(inputs))) - 1).square().mean()
        return {"loss_line": loss * math.nan if self.iterations in self.broken else loss}


class Score(BaseMetric):
    """The next of the scores, whatever was predicted."""

    def __init__(self, scores):
        super().__init__()
        self.scores = list(scores)

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {"score": self.scores.pop(0)}


class NamedRunner(FlexRunner):
    """Runs of one second have folders of their own too."""

    number = itertools.count()

    def setup_env(self, env_cfg):
        super().setup_env(env_cfg)
        self._timestamp += f"_{next(self.number):02d}"


def run(folder, *, epochs, scores, hooks=(), model=None, resume=False, **more):
    points = [{"inputs": torch.ones(1) * value} for value in (1.0, 2.0)]
    loader = {
        "dataset": points,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "batch_size": 2,
        "collate_fn": {"type": "pseudo_collate"},
    }
    checkpoint = {"type": "CheckpointHook", "interval": 1, "save_best": "score", "rule": "greater"}
    runner = NamedRunner(
        model or Line(),
        work_dir=str(folder),
        train_dataloader=loader,
        val_dataloader=loader,
        train_cfg={"by_epoch": True, "max_epochs": epochs},
        val_cfg={},
        val_evaluator=[Score(scores)],
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
        default_hooks={
            "logger": {"type": "LoggerHook", "interval": 1},
            "checkpoint": checkpoint,
        },
        load_from=str(folder / f"epoch_{resume}.pth") if resume else None,
        resume=bool(resume),
        **more,
    )
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    return runner


def test_early_stopping_stops_and_the_best_checkpoint_is_the_best(tmp_path):
    runner = run(tmp_path, epochs=8, scores=SCORES, hooks=[EarlyStopHook("score", 3)])
    assert runner.epoch == 5  # three after the second, which was the best
    assert [one.name for one in tmp_path.glob("best_*")] == ["best_score_epoch_2.pth"]


def test_a_resumed_run_goes_on_counting_where_it_was_interrupted(tmp_path):
    run(tmp_path, epochs=4, scores=SCORES, hooks=[EarlyStopHook("score", 3)])
    again = run(tmp_path, epochs=8, scores=SCORES[4:], hooks=[EarlyStopHook("score", 3)], resume=4)
    assert again.epoch == 5
    third = run(tmp_path, epochs=8, scores=[], hooks=[EarlyStopHook("score", 3)], resume=5)
    assert third.epoch == 5  # nothing is trained after the end
    assert [one.name for one in tmp_path.glob("best_*")] == ["best_score_epoch_2.pth"]


def test_a_validation_without_the_metric_ends_nothing(tmp_path, monkeypatch):
    values = iter([{}, {"score": 0.2}, {}])
    monkeypatch.setattr(Score, "compute_metrics", lambda self, results: next(values))
    runner = run(tmp_path, epochs=3, scores=[], hooks=[EarlyStopHook("score", 1)])
    assert runner.epoch == 3
    assert [one.name for one in tmp_path.glob("best_*")] == ["best_score_epoch_2.pth"]


def test_no_checkpoint_is_written_after_a_loss_that_is_no_number(tmp_path):
    with pytest.raises(TrainingError, match="iteration 2: loss_line is nan"):
        run(tmp_path, epochs=3, scores=SCORES, model=Line(broken=[2]), hooks=[FiniteLossHook()])
    assert sorted(one.name for one in tmp_path.glob("epoch_*")) == ["epoch_1.pth"]


def test_tensorboard_gets_losses_scores_and_speed(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    backends = [{"type": "LocalVisBackend"}, {"type": "TensorboardVisBackend"}]
    visualizer = {"type": "Visualizer", "vis_backends": backends}
    run(tmp_path, epochs=2, scores=SCORES, hooks=[SpeedHook()], visualizer=visualizer)
    (events,) = tmp_path.glob("*/vis_data/events.out.tfevents.*")
    read = accumulators.EventAccumulator(str(events)).Reload()
    assert {"loss", "loss_line", "lr", "images_per_s", "score"} <= set(read.Tags()["scalars"])
    assert [one.value for one in read.Scalars("score")] == pytest.approx(SCORES[:2])
