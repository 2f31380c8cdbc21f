"""The configs of the installed zoos, and the settings of the ResNets in them."""

import functools
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

PACKAGES = ("mmdet", "mmseg")
# MMSegmentation's V1c and V1d are a ResNet with these options.
CLASS_OPTIONS: dict[str, dict[str, Any]] = {
    "ResNet": {},
    "ResNeXt": {},
    "ResNetV1c": {"deep_stem": True, "avg_down": False},
    "ResNetV1d": {"deep_stem": True, "avg_down": True},
}
# What says where first values come from; the tests bring their own.
INITIALISATION = ("init_cfg", "pretrained")


class Setting(NamedTuple):
    """The options of a backbone, and the configs that have it."""

    package: str
    options: dict[str, Any]
    configs: list[str]

    def original(self) -> Any:
        """The zoo's own backbone."""
        models = importlib.import_module(f"{self.package}.models.backbones")
        options = json.loads(json.dumps(self.options))
        return getattr(models, options.pop("type"))(**options)

    def flex_options(self) -> dict[str, Any]:
        """The same options for FlexResNet, which has one class for all."""
        options = json.loads(json.dumps(self.options))
        return CLASS_OPTIONS[options.pop("type")] | options


def config_folder(package: str) -> Path:
    """Where an installed package keeps its configs."""
    spec = importlib.util.find_spec(package)
    assert spec and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / ".mim/configs"


def model_config(package: str, path: str) -> dict[str, Any] | None:
    """``model`` of one config of a zoo, or None where it cannot be read here."""
    file = config_folder(package) / path
    try:
        config = Config.fromfile(file, import_custom_modules=False)
    except (ImportError, OSError):  # wants another package, or another file
        return None
    return config.model.to_dict() if "model" in config else None


@functools.cache
def model_configs(package: str) -> dict[str, dict[str, Any]]:
    """Path in the zoo -> ``model``, of all that can be read."""
    root = config_folder(package)
    paths = (file.relative_to(root) for file in sorted(root.glob("**/*.py")))
    names = [path.as_posix() for path in paths if "_base_" not in path.parts]
    models = {name: model_config(package, name) for name in names}
    return {name: model for name, model in models.items() if model is not None}


def replaceable(node: Any) -> Iterator[dict[str, Any]]:
    """The dicts in ``node`` that describe a ResNet of the zoos, whatever key they are under."""
    if isinstance(node, dict):
        if node.get("type") in CLASS_OPTIONS:
            yield node
        node = list(node.values())
    if isinstance(node, list | tuple):
        for child in node:
            yield from replaceable(child)


@functools.cache
def backbone_settings() -> list[Setting]:
    """Every distinct setting of a ResNet in the zoos."""
    found: dict[str, Setting] = {}
    for package in PACKAGES:
        for path, model in model_configs(package).items():
            for backbone in replaceable(model):
                options = {k: v for k, v in backbone.items() if k not in INITIALISATION}
                key = package + json.dumps(options, sort_keys=True)
                found.setdefault(key, Setting(package, options, [])).configs.append(path)
    return list(found.values())
