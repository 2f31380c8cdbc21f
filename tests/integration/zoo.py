"""The configs of the installed zoos, and the settings of the ResNets in them."""

import copy
import functools
import importlib.util
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope

from resblock_backbones.openmmlab.models.channels import link_channels

PACKAGES = ("mmdet", "mmseg")
# MMSegmentation's V1c and V1d are a ResNet with these options.
CLASS_OPTIONS: dict[str, dict[str, Any]] = {
    "ResNet": {},
    "ResNeXt": {},
    "ResNetV1c": {"deep_stem": True, "avg_down": False},
    "ResNetV1d": {"deep_stem": True, "avg_down": True},
}
# How many boxes and points a step looks at, and how many numbers of a box: a few are enough to be
# equal or not.
LIMITS = {"num": 16, "max_per_img": 16, "nms_pre": 64, "num_points": 64, "fc_out_channels": 64}
# What says where first values come from; the tests bring their own.
INITIALISATION = ("init_cfg", "pretrained")


def narrow(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a ResNet, with a quarter of its channels, or as few as a norm's groups allow."""
    channels = (options.get("norm_cfg") or {}).get("num_groups", 16)
    width = {"base_width": options["base_width"] // 2} if "base_width" in options else {}
    return options | {"base_channels": channels, "stem_channels": channels} | width


class Setting(NamedTuple):
    """The options of a backbone, and the configs that have it."""

    package: str
    options: dict[str, Any]
    configs: list[str]

    def narrow(self) -> "Setting":
        """The same with a quarter of the channels."""
        return self._replace(options=narrow(self.options))

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


def models_that_name_a_backbone(package: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path in the zoo and ``model`` of each config that does not leave the backbone to its bases.

    The bases are read too, so no setting is left out, and a third of the files need no reading.
    """
    root = config_folder(package)
    for file in sorted(root.glob("**/*.py")):
        if "backbone" in file.read_text():
            path = file.relative_to(root).as_posix()
            model = model_config(package, path)
            if model is not None:
                yield path, model


def folders(package: str) -> list[Path]:
    """The folders of a zoo, each about one kind of model."""
    return [one for one in sorted(config_folder(package).iterdir()) if one.is_dir()]


def first_with_a_resnet(package: str, folder: Path) -> tuple[str, dict[str, Any]] | None:
    """Path and ``model`` of the first config in a folder of a zoo that has a ResNet."""
    for file in sorted(folder.glob("*.py")):
        path = f"{folder.name}/{file.name}"
        model = model_config(package, path)
        if model is not None and any(True for _ in replaceable(model)):
            return path, model
    return None


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


def with_narrow_backbones(model: dict[str, Any]) -> dict[str, Any]:
    """A copy of ``model`` with a quarter of its ResNets' channels, and heads that take them."""
    narrow_model = copy.deepcopy(model)
    backbones = list(replaceable(narrow_model))
    for backbone in backbones:
        backbone.update(narrow(backbone))
    linked = ConfigDict(with_flexresnet(narrow_model))
    assert link_channels(linked)
    return _with_originals(linked.to_dict(), iter(backbones))


def _with_originals(node: Any, backbones: Iterator[dict[str, Any]]) -> Any:
    if isinstance(node, dict):
        if node.get("type") == "FlexResNet":
            return next(backbones)
        return {key: _with_originals(value, backbones) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_with_originals(child, backbones) for child in node)
    return node


@contextmanager
def shapes_alone() -> Iterator[None]:
    """Build on the meta device, where first values of no tensor would take most of the time."""
    with torch.device("meta"), ExitStack() as patches:
        for name in ("normal_", "uniform_"):
            patches.enter_context(patch.object(torch.Tensor, name, lambda self, *_, **__: self))
        yield


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
        for path, model in models_that_name_a_backbone(package):
            for backbone in replaceable(model):
                options = {k: v for k, v in backbone.items() if k not in INITIALISATION}
                key = package + json.dumps(options, sort_keys=True)
                found.setdefault(key, Setting(package, options, [])).configs.append(path)
    return list(found.values())
