"""The model card of a trained model, from its run's own numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..training.report import SCORES
from .facts import Facts

#: For the Hub's search: what the models of a package do.
TASKS = {"mmdet": "object-detection", "mmseg": "image-segmentation"}

USE = """\
```python
from resblock_backbones import Predictor

predictor = Predictor("{where}")  # or the folder that has this file
for found in predictor(["photo.jpg"]):
    print({printed})
```

needs `pip install 'resblock_backbones[onedl,hub]'`."""


def model_card(facts: Facts) -> str:
    """The text of ``README.md``: what the model is, what it scores, how it was trained and is used.

    Every number is of the run; what the run does not tell is left out.
    """
    backbone = facts.model.get("backbone") or {}
    printed = "found.label_map" if facts.scope == "mmseg" else "found.boxes, found.labels, ..."
    sections = [
        _for_search(facts),
        f"# {facts.name}\n\n{_sentence(facts)}",
        f"## Results\n\n{_results(facts)}",
        f"## Classes\n\n{', '.join(facts.classes) or 'the run names none'}",
        "## Training\n\n" + _table(("setting", "value"), _settings(facts)),
        "## Backbone\n\n" + _table(("option", "value"), _options(backbone)),
        "## Use\n\n" + USE.format(where="hf-hub:user/name", printed=printed),
    ]
    return "\n\n".join(sections) + "\n"


def _for_search(facts: Facts) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    task = TASKS.get(facts.scope or "")
    results = [
        EvalResult(
            task_type=task or "other",
            dataset_type=facts.dataset,
            dataset_name=str(facts.training.get("data") or facts.dataset),
            metric_type=name.rpartition("/")[2],
            metric_value=facts.metrics[name],
        )
        for name in SCORES
        if name in facts.metrics
    ]
    data = ModelCardData(
        library_name="resblock_backbones",
        pipeline_tag=task,
        tags=["resnet", str(facts.model.get("type"))],
        model_name=facts.name,
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---"


def _sentence(facts: Facts) -> str:
    backbone = (facts.model.get("backbone") or {}).get("type", "its backbone")
    steps = ", ".join(f"{name} {number}" for name, number in facts.trained.items())
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return f"`{facts.model.get('type')}` on `{backbone}`, at {steps}. Stored with {versions}."


def _results(facts: Facts) -> str:
    # COCO's -1 stands for: no such objects.
    rows = [(f"`{name}`", f"{one:.3f}") for name, one in facts.metrics.items() if one >= 0]
    if not rows:
        return "The run did not evaluate this checkpoint."
    on = facts.training.get("evaluated_on")
    where = f"On `{on}`, after {_last(facts.trained)}:\n\n" if on else ""
    return where + _table(("metric", "value"), rows)


def _last(trained: Mapping[str, int]) -> str:
    name = "epoch" if "epoch" in trained else "iter"
    return f"{name} {trained[name]}"


def _settings(facts: Facts) -> Iterator[tuple[str, str]]:
    training = facts.training
    yield from ((name, str(number)) for name, number in facts.trained.items())
    for name in ("data", "batch_size", "seed", "started_from", "mmengine"):
        if training.get(name) is not None:
            yield name.replace("_", " "), _short(training[name])
    optimizer = (training.get("optim_wrapper") or {}).get("optimizer")
    if optimizer:
        yield "optimizer", _short(optimizer)
    for step in training.get("param_scheduler") or []:
        yield "schedule", _short(step)
    for step in facts.pipeline:
        if step.get("scale") is not None:
            yield "image size", _short(step["scale"])


def _options(backbone: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from ((str(name), _short(one)) for name, one in backbone.items() if name != "type")


def _short(value: Any) -> str:
    """A value in one line, as a config has it."""
    if isinstance(value, Mapping):
        rest = [f"{name}={_short(one)}" for name, one in value.items() if name != "type"]
        return f"{value.get('type', 'dict')}({', '.join(rest)})"
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_short, value))})"
    return str(value)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
