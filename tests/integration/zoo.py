"""The configs of the installed zoos, and the settings of the ResNets in them."""

import copy
import functools
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config, ConfigDict
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope

PACKAGES = ("mmdet", "mmseg")
# MMSegmentation's V1c and V1d are a ResNet with these options.
CLASS_OPTIONS: dict[str, dict[str, Any]] = {
    "ResNet": {},
    "ResNeXt": {},
    "ResNetV1c": {"deep_stem": True, "avg_down": False},
    "ResNetV1d": {"deep_stem": True, "avg_down": True},
}
# How many boxes and points a step looks at: a few are enough to be equal or not.
LIMITS = {"num": 16, "max_per_img": 16, "nms_pre": 64, "num_points": 64}
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


def one_per_folder(package: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path and ``model`` of the first config with a ResNet in each folder of a zoo."""
    for folder in sorted(config_folder(package).iterdir()):
        for file in sorted(folder.glob("*.py")) if folder.is_dir() else ():
            path = f"{folder.name}/{file.name}"
            model = model_config(package, path) if folder.name != "_base_" else None
            if model is not None and any(True for _ in replaceable(model)):
                yield path, model
                break


def small(node: Any) -> Any:
    """``node`` less everything that names a checkpoint, with few proposals an image."""
    if isinstance(node, dict):
        kept = {k: small(v) for k, v in node.items() if k not in INITIALISATION}
        return kept | {k: min(LIMITS[k], v) for k, v in kept.items() if k in LIMITS}
    if isinstance(node, list | tuple):
        return type(node)(small(child) for child in node)
    return node


def with_flexresnet(model: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A copy of ``model`` with FlexResNet for its ResNets."""
    model = copy.deepcopy(model)
    for backbone in list(replaceable(model)):
        backbone.update(CLASS_OPTIONS[backbone["type"]] | backbone | options, type="FlexResNet")
    return model


def build(model: dict[str, Any], scope: str) -> Any:
    """The detector or segmentor, in training mode and without synchronised norms."""
    with DefaultScope.overwrite_default_scope(scope):
        return revert_sync_batchnorm(MODELS.build(ConfigDict(copy.deepcopy(model)))).train()


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
