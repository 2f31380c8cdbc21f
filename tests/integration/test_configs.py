"""Every config of this project builds, its parts fit each other, and it does one step."""

import functools
import json
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, PARAM_SCHEDULERS, TRANSFORMS, DefaultScope
from torch import nn
from zoo import config_folder, small

from resblock_backbones import FlexResNet
from resblock_backbones.openmmlab.configs.read import read_config
from resblock_backbones.openmmlab.datasets.class_counts import check_num_classes
from resblock_backbones.openmmlab.models.channels import link_channels, stride_warnings

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from zoo_step import run_model  # noqa: E402

CONFIGS = {
    path.relative_to(ROOT / "configs").as_posix(): path
    for path in sorted(ROOT.glob("configs/*/**/*.py"))
    # Those for MMPretrain have a test of their own.
    if not {"_base_", "imagenet"} & set(path.parts)
}
SEGMENTORS = ("deeplabv3", "deeplabv3plus", "fcn", "pspnet")
# Images, in pixels: every stride of a detector divides them, and no stride of a segmentor.
SIZES = {"mmdet": (64, 64), "mmseg": (33, 33)}


@functools.cache
def config(name):
    return read_config(str(CONFIGS[name]))


def names(*folders):
    return [name for name in CONFIGS if name.split("/")[0] in folders]


def original(name):
    """The zoo's config of which ours is the same with FlexResNet, or None."""
    folder, file = name.replace("flexr", "r").split("/")
    scope = "mmseg" if folder in SEGMENTORS else "mmdet"
    path = config_folder(scope) / folder / file
    return Config.fromfile(path) if path.is_file() else None


def same_classes(part):
    """``part`` with VOC's and ADE20K's numbers of classes set to that of Cityscapes."""
    if isinstance(part, dict):
        classes = {"num_classes": 19} if part.get("num_classes") in (21, 150) else {}
        return {key: same_classes(value) for key, value in part.items()} | classes
    return [same_classes(one) for one in part] if isinstance(part, list | tuple) else part


# --- whole models ---


@functools.cache
def step(model, scope):
    """One step of a model, given as JSON: many configs differ in data and schedule alone."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(scope):
        built = run_model(ConfigDict(json.loads(model)), SIZES[scope], scope)
    return {type(module).__name__ for module in built.modules()}


@pytest.mark.parametrize("name", CONFIGS)
def test_one_loss_with_backward_and_one_prediction(name):
    cfg = config(name)
    model = same_classes(small(cfg.model.to_dict()))
    if cfg.default_scope == "mmseg":
        model["data_preprocessor"]["size"] = SIZES["mmseg"]
    assert "FlexResNet" in step(json.dumps(model), cfg.default_scope)


@pytest.mark.parametrize("name", CONFIGS)
def test_channels_strides_and_classes_agree(name):
    cfg = config(name)
    assert link_channels(cfg.model) == []
    assert stride_warnings(cfg.model) == []
    data = cfg.val_dataloader.dataset
    with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
        classes = data.get("metainfo", registry.get(data.type).METAINFO)["classes"]
    check_num_classes(cfg.model, classes, "val_dataloader.dataset")


@pytest.mark.parametrize("name", CONFIGS)
def test_pipelines_optimizers_and_schedules_are_made_of_what_there_is(name):
    cfg = config(name)
    assert cfg.custom_imports == {"imports": ["resblock_backbones"]}
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            for data in loader.dataset.get("datasets", [loader.dataset]):
                for transform in data.pipeline:
                    TRANSFORMS.build(transform)
        optim_wrapper = build_optim_wrapper(nn.Linear(1, 1), cfg.optim_wrapper)
        for scheduler in cfg.param_scheduler:
            scheduler = dict(scheduler)
            scheduler.pop("convert_to_iter_based", None)  # needs the length of an epoch
            PARAM_SCHEDULERS.build(scheduler, default_args={"optimizer": optim_wrapper})


# --- what the issue of each folder is ---


@pytest.mark.parametrize("head", ["deeplabv3", "deeplabv3plus"])
@pytest.mark.parametrize("data", ["shapes", "voc12aug", "cityscapes", "ade20k"])
def test_each_depth_and_output_stride_is_there_for_each_data_set(head, data):
    here = [config(name) for name in names(head) if data in name]
    found = {(cfg.model.backbone.depth, cfg.model.backbone.output_stride) for cfg in here}
    assert found == {(depth, stride) for depth in (18, 50, 101) for stride in (8, 16)}


@functools.cache
def sizes_and_dilations(options):
    """Of a backbone, given as JSON: the maps of an image of 64x128, and the last dilations."""
    with torch.device("meta"):
        net = FlexResNet(**json.loads(options)).eval()
        features = net(torch.zeros(1, 3, 64, 128))
    convs = [module for module in net.stages[3].modules() if isinstance(module, nn.Conv2d)]
    return [tuple(map_.shape[2:]) for map_ in features], {conv.dilation[0] for conv in convs}


@pytest.mark.parametrize("name", names(*SEGMENTORS))
def test_a_segmentor_s_features_are_at_exactly_the_stride_of_its_name(name):
    options = config(name).model.backbone.to_dict() | {"init_cfg": None}
    assert options.pop("type") == "FlexResNet"
    sizes, dilations = sizes_and_dilations(json.dumps(options))
    stride = 16 if "-d16" in name else 8
    assert sizes == [
        (16, 32),
        (8, 16),
        (64 // stride, 128 // stride),
        (64 // stride, 128 // stride),
    ]
    if "mg124" in name:
        assert dilations == {1, 2, 4}
    else:
        assert max(dilations) == 32 // stride


# --- the same as the zoos' ---

COUNTERPARTS = [name for name in CONFIGS if original(name) is not None]


@pytest.mark.parametrize("name", COUNTERPARTS)
def test_data_and_schedule_are_those_of_the_zoo(name):
    ours, theirs = config(name), original(name)
    for cfg in (ours, theirs):
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            for data in loader.dataset.get("datasets", [loader.dataset]):
                data.pop("backend_args", None)
                for transform in data.pipeline:
                    transform.pop("backend_args", None)
        cfg.train_cfg.pop("type", None)
        cfg.optim_wrapper = {k: v for k, v in cfg.optim_wrapper.items() if v is not None}
        cfg.val_evaluator.pop("classwise", None)
        cfg.val_evaluator.pop("backend_args", None)
    for key in ("train_dataloader", "val_dataloader", "val_evaluator", "train_cfg"):
        assert ours[key] == theirs[key], key
    assert ours.optim_wrapper == theirs.optim_wrapper
    assert len(ours.param_scheduler) == len(theirs.param_scheduler)
    for mine, other in zip(ours.param_scheduler, theirs.param_scheduler, strict=True):
        assert mine == other


def logits(model, images):
    model = model.double().eval()
    with torch.no_grad():
        return model(images.double(), mode="tensor")


# The depth of 101 once for each head: with its multi-grid, where it has one. It takes over 2 GiB.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if "r101" in name else ())
        for name in COUNTERPARTS
        if name.split("/")[0] in SEGMENTORS
        and "80k_cityscapes" in name
        and not (name.startswith("deeplab") and "r101-d8" in name)
    ],
)
def test_with_the_original_s_weights_a_segmentor_has_the_original_s_logits(name):
    import zoo

    torch.manual_seed(0)
    theirs = zoo.build(small(original(name).model.to_dict()), "mmseg")
    assert type(theirs.backbone).__name__ == "ResNetV1c"
    theirs.init_weights()
    for module in theirs.modules():  # as if trained: statistics that are not 0 and 1
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    ours = zoo.build(small(config(name).model.to_dict()), "mmseg")
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(1, 3, 33, 33)
    expected = logits(theirs, images)
    del theirs, module  # both in float64 take over 2 GiB
    # Random heads give logits near zero: the tolerance is for logits of size one.
    scale = expected.std()
    assert scale > 0
    torch.testing.assert_close(logits(ours, images) / scale, expected / scale, rtol=0, atol=1e-9)
