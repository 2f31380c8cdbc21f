"""Which commands there are."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """A command.

    Attributes:
        module: its module, in this package.
        line: what it does, in a line.
    """

    module: str
    line: str


#: Heading -> name of a command -> its row.
GROUPS: dict[str, dict[str, Row]] = {
    "models of a config": {
        "train": Row("running.train", "train the model of a config"),
        "test": Row("running.test", "measure a checkpoint on the config's test set"),
        "predict": Row("running.predict", "detections or label maps of images and videos"),
    },
    "backbones": {
        "summary": Row("backbones.summary", "what a backbone is made of and what it costs"),
        "features": Row("backbones.features", "write the feature maps of images to files"),
        "export": Row("backbones.export", "write a backbone as ONNX, TorchScript or PT2"),
        "convert": Row("backbones.convert", "rename weights for another library"),
        "imagenet": Row("backbones.imagenet", "Top-1 and Top-5 error of classifiers, as a table"),
    },
    "data, configs, installation": {
        "shapes": Row("starting.shapes", "make the `shapes` data set"),
        "configs": Row("starting.configs", "list the configs that come along, or copy one"),
        "doctor": Row("starting.doctor", "what is installed, and whether it works together"),
    },
}

COMMANDS: dict[str, Row] = {name: row for rows in GROUPS.values() for name, row in rows.items()}
