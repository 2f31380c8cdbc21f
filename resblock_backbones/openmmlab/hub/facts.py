"""What ``config.json`` tells of a trained model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...options.errors import InputError
from ...resnet.interfaces.stored_network import refuse_newer, written_by
from ...version import __version__
from .json_config import from_json, to_json

#: Of ``config.json``; grows when an older version would misread a file.
FORMAT = 1


@dataclass(frozen=True)
class Facts:
    """The model of a run: how to build it, and what the run measured.

    Attributes:
        name: of the run's config.
        model: of the config: what MMEngine builds.
        scope: the package in whose registries its names are looked up: ``'mmdet'``, ``'mmseg'``.
        dataset: the class of the data set that it was tested on.
        pipeline: of that data set: how images are loaded and resized.
        classes: names by label.
        palette: a colour for each, RGB; may be empty.
        training: parts of the config that tell how it was trained, for readers.
        trained: ``epoch`` and ``iter`` of the checkpoint.
        metrics: of the validation at that checkpoint, as MMEngine names them; may be empty.
        versions: of the packages that made it of a run.
    """

    name: str
    model: Mapping[str, Any]
    scope: str | None
    dataset: str
    pipeline: list[Any]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...]
    training: Mapping[str, Any]
    trained: Mapping[str, int]
    metrics: Mapping[str, float]
    versions: Mapping[str, str]

    def as_json(self) -> str:
        """The text of ``config.json``.

        Raises:
            ConfigError: a part of the config has no place in a file.
        """
        told = {
            "library": "resblock_backbones",
            "version": __version__,
            "format": FORMAT,
            "name": self.name,
            "model": to_json("model", self.model),
            "scope": self.scope,
            "dataset": self.dataset,
            "pipeline": to_json("test_pipeline", self.pipeline),
            "classes": list(self.classes),
            "palette": [list(colour) for colour in self.palette],
            "training": to_json("training", self.training),
            "trained": dict(self.trained),
            "metrics": to_json("metrics", self.metrics),
            "versions": dict(self.versions),
        }
        return json.dumps(told, indent=2, allow_nan=False)


def read_facts(config_file: Path) -> Facts:
    """What a model's ``config.json`` tells.

    Raises:
        InputError: it cannot be read, is of something else, of a newer version, or could run code.
    """
    try:
        told = json.loads(config_file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{config_file}: there is no such file; a folder of `resblock share` has it"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{config_file}: cannot be read: {error}") from error
    if not isinstance(told, dict) or told.get("library") != "resblock_backbones":
        raise InputError(f"{config_file}: is not a config.json that `resblock share` writes")
    writer = written_by(told)
    if "options" in told:
        raise InputError(
            f"{config_file}: is of a backbone alone, which FlexResNet.from_pretrained reads"
        )
    refuse_newer(str(config_file), told.get("format"), known=FORMAT, writer=writer)
    try:
        return Facts(
            name=str(told["name"]),
            model=from_json("model", dict(told["model"])),
            scope=told["scope"],
            dataset=str(told["dataset"]),
            pipeline=from_json("test_pipeline", list(told["pipeline"])),
            classes=tuple(map(str, told["classes"])),
            palette=tuple(tuple(map(int, colour)) for colour in told["palette"]),
            training=from_json("training", dict(told["training"])),
            trained={name: int(value) for name, value in told["trained"].items()},
            metrics=from_json("metrics", dict(told["metrics"])),
            versions={name: str(value) for name, value in told["versions"].items()},
        )
    except InputError as error:
        raise InputError(f"{config_file}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{config_file}: is not whole: {reason}{writer}") from error
