"""The table of commands."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """A command.

    Attributes:
        module: its module, in this package.
        line: its description in the overview.
    """

    module: str
    line: str


#: Heading -> name of a command -> its row.
GROUPS: dict[str, dict[str, Row]] = {
    "models of a config": {
        "train": Row("running.train", "train the model of a config"),
        "test": Row("running.test", "evaluate a checkpoint on the config's test set"),
        "predict": Row("running.predict", "predict images and videos: detections or label maps"),
        "curves": Row("running.curves", "plot several training runs together"),
        "share": Row("running.share", "store a trained model in a folder, or upload it"),
        "browse": Row("running.browse", "show what a model will see: images, annotations, plots"),
        "analyse": Row("running.analyse", "show what a model gets right and wrong: curves, errors"),
        "check": Row("running.check", "check the data of a config, or a folder of annotations"),
    },
    "backbones": {
        "summary": Row("backbones.summary", "what a backbone is made of and what it costs"),
        "features": Row("backbones.features", "write the feature maps of images to files"),
        "export": Row("backbones.export", "write a model, or a backbone alone, as ONNX or PT2"),
        "convert": Row("backbones.convert", "write weights under another library's names"),
        "imagenet": Row("backbones.imagenet", "Top-1 and Top-5 error of classifiers, as a table"),
    },
    "data, configs, installation": {
        "shapes": Row("starting.shapes", "make the `shapes` data set"),
        "new": Row("running.new", "write a config for a folder of images and annotations"),
        "configs": Row("starting.configs", "list the configs of the package, or copy one"),
        "doctor": Row("starting.doctor", "check the installed versions"),
    },
}

COMMANDS: dict[str, Row] = {name: row for rows in GROUPS.values() for name, row in rows.items()}
