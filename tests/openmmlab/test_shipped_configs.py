"""Configs that come with the package, as a user's config and a command line name them."""

from pathlib import Path

import pytest
from mmengine.config import Config

from resblock_backbones.commands.front import main
from resblock_backbones.files.shipped_configs import (
    config_names,
    configs_folder,
    find_config,
    shipped_config,
)
from resblock_backbones.openmmlab.configs.read import read_config
from resblock_backbones.options.errors import ConfigError

FASTER = "faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_config_inherits_by_the_prefix_as_it_does_by_the_path(work):
    change = "model = dict(backbone=dict(depth=34))\nlr = {{_base_.optim_wrapper.optimizer.lr}}\n"
    for name, base in (("name", f"resblock::{FASTER}"), ("path", configs_folder() / FASTER)):
        Path(f"{name}.py").write_text(f"_base_ = {str(base)!r}\n{change}")
    by_name, by_path = (read_config(f"{name}.py").to_dict() for name in ("name", "path"))
    assert by_name == by_path and by_name["model"]["backbone"]["depth"] == 34
    assert "_scope_" not in str(by_name)


def test_what_is_read_off_a_base_gets_no_scope(work):
    Path("a.py").write_text(
        f"_base_ = ['resblock::{FASTER}']\nmine = dict(one=_base_.train_dataloader.dataset)\n"
    )
    cfg = read_config("a.py")
    assert cfg.mine.one.type == "CocoDataset" and "_scope_" not in cfg.mine.one


def test_parts_are_inherited_beside_other_packages_configs(work):
    theirs = "mmdet::_base_/schedules/schedule_1x.py"
    Path("a.py").write_text(f"_base_ = ['resblock::_base_/default_runtime.py', '{theirs}']\n")
    cfg = read_config("a.py")
    assert cfg.default_scope == "mmdet" and cfg.train_cfg.max_epochs == 12


def test_a_config_of_mmsegmentation_is_inherited_from_either_family(work):
    theirs = "mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py"
    Path("a.py").write_text(f"_base_ = '{theirs}'\nmodel = dict(backbone=dict(depth=101))\n")
    cfg = read_config("a.py")
    assert cfg.default_scope == "mmseg" and cfg.model.backbone.depth == 101
    assert cfg.model._scope_ == "mmseg"
    Path("b.py").write_text(f"_base_ = '{theirs.replace('fcn_r50', 'fcn_r5')}'\n")
    with pytest.raises(ConfigError, match="b.py: "):
        read_config("b.py")


def test_a_base_that_is_not_there_is_told_with_the_nearest(work):
    Path("a.py").write_text(f"_base_ = 'resblock::{FASTER.replace('flexr18', 'flexr81')}'\n")
    with pytest.raises(ConfigError, match=f"did you mean 'resblock::{FASTER}'"):
        read_config("a.py")


@pytest.mark.parametrize(
    "name", [f"resblock::{FASTER}", FASTER, FASTER[:-3], Path(FASTER).name, Path(FASTER).stem]
)
def test_a_config_is_found_by_any_form_of_its_name(work, name):
    assert find_config(name) == str(configs_folder() / FASTER)


def test_a_file_of_the_user_s_comes_before_a_config_of_its_name(work):
    Path(Path(FASTER).name).write_text("")
    assert find_config(Path(FASTER).name) == Path(FASTER).name
    assert find_config(f"resblock::{Path(FASTER).name}") != Path(FASTER).name
    Path(Path(FASTER).stem).mkdir()  # a folder of results may have the name of a config
    assert find_config(Path(FASTER).stem) == str(configs_folder() / FASTER)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("faster-rcnn_flexr18-half_fpn_shape", f"no such file; did you mean 'resblock::{FASTER}'"),
        ("nowhere/faster-rcnn_flexr18-half_fpn_shape.py", f"did you mean 'resblock::{FASTER}'"),
        ("resblock::faster-rcnn", "no config of this name comes with the package"),
        ("resblock::../setup", "no config of this name comes with the package"),
        ("zzz", "^zzz: there is no such file$"),
    ],
)
def test_a_name_that_is_not_there_is_told_with_the_nearest(work, name, message):
    with pytest.raises(ConfigError, match=message):
        find_config(name)


def test_every_name_in_the_list_is_found():
    assert len(config_names()) > 50
    for name in config_names():
        assert shipped_config(name) == shipped_config(Path(name).stem) == configs_folder() / name


@pytest.mark.parametrize("name", [one for one in config_names() if one.endswith("_shapes.py")])
def test_a_copy_is_the_same_config_in_one_file(work, capsys, name):
    assert main(["configs", "--copy", Path(name).stem, "new/mine.py"]) == 0
    assert capsys.readouterr().out == "new/mine.py\n"
    text = Path("new/mine.py").read_text()
    assert f"resblock::{name}" in text.splitlines()[0]
    assert "_base_ =" not in text and str(configs_folder()) not in text
    whole = Config.fromfile(configs_folder() / name).to_dict()
    assert Config.fromfile("new/mine.py").to_dict() == whole


def test_a_copy_replaces_nothing_unless_it_is_told_to(work, capsys):
    Path("mine.py").write_text("of value")
    assert main(["configs", "--copy", FASTER, "mine.py"]) == 2
    assert "mine.py: already exists; --force replaces it" in capsys.readouterr().err
    assert Path("mine.py").read_text() == "of value"
    assert main(["configs", "--copy", FASTER, "mine.py", "--force"]) == 0
    assert "FlexResNet" in Path("mine.py").read_text()
    assert main(["configs", "--copy", FASTER, "a.py", "b.py"]) == 2
    assert main(["configs", "--copy", FASTER]) == 0
    assert Path(Path(FASTER).name).is_file()
