"""The wheel where nothing of the checkout is: its commands, its configs, its metadata."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from PIL import Image

from resblock_backbones import __version__
from resblock_backbones.files.shipped_configs import config_names

ROOT = Path(__file__).parents[1]
FASTER = "faster-rcnn_flexr18-half_fpn_shapes"
BUILT_FROM = ["resblock_backbones", "configs", "benchmarks", "docs", "examples", "tests", "tools"]


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """What `make wheel` writes."""
    folder = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in BUILT_FROM:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    (folder / ".venv").mkdir()
    (folder / ".venv/.installed").touch()  # there is nothing to set up
    make = ["make", "--silent", f"BIN={Path(sys.executable).parent}", "wheel"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(make, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def environment(dist, tmp_path_factory):
    """A new virtual environment with the wheel; heavy packages are those of this one, by path."""
    folder = tmp_path_factory.mktemp("environment") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin/python"
    (wheel,) = dist.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", python, "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # Behind its own packages: a path in a .pth file, whose own .pth files are not read.
    (site / "shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


@pytest.fixture
def resblock(environment, tmp_path):
    """Run the console script in an empty folder."""
    (tmp_path / "work").mkdir()

    def run(*arguments, status=0):
        done = subprocess.run(
            [environment / "bin/resblock", *map(str, arguments)],
            cwd=tmp_path / "work",
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    run.folder = tmp_path / "work"
    return run


def test_archive_and_wheel_hold_all_configs(dist):
    (wheel,), (archive,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {f"resblock_backbones/configs/{name}" for name in config_names()}
    assert shipped and shipped <= set(names)
    assert "resblock_backbones/configs/_base_/default_runtime.py" in names
    tops = {name.split("/")[0] for name in names}
    assert {one for one in tops if not one.endswith(".dist-info")} == {"resblock_backbones"}
    listed = subprocess.run(["tar", "tzf", archive], check=True, capture_output=True, text=True)
    inside = {name.partition("/")[2] for name in listed.stdout.splitlines()}
    assert {"tests/test_wheel.py", "tools/train.py", "docs/package.md", "Makefile"} <= inside


def test_the_metadata_say_what_is_needed_and_what_it_is(dist):
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [one for one in opened.namelist() if one.endswith(".dist-info/METADATA")]
        told = message_from_bytes(opened.read(name))
    required = told.get_all("Requires-Dist")
    assert {"torch>=2.10", "torchvision>=0.25"} <= set(required)
    assert any(re.match(r"setuptools<82; extra == .openmmlab", one) for one in required)
    assert told["Author"] == "The resblock_backbones authors"
    assert told["Requires-Python"] == ">=3.10"
    description = str(told.get_payload())
    assert "resblock train" in description
    # It is shown where none of the checkout's files are.
    links = re.findall(r"\]\((.+?)\)|src=\"(.+?)\"", description)
    assert all(url.startswith("https://") for link in links for url in link if url)


def test_the_command_answers_from_the_new_environment(environment, resblock):
    assert resblock("--version") == f"resblock_backbones {__version__}\n"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert resblock("--help").count("\n") > 10
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 0.6
    python = environment / "bin/python"
    code = "import sys; sys.argv[0] = 'resblock'; import resblock_backbones as r; print(r.__file__)"
    where = subprocess.check_output([python, "-c", code], env={}, cwd=resblock.folder, text=True)
    assert environment in Path(where.strip()).parents


def test_configs_are_listed_found_and_suggested(environment, resblock):
    assert resblock("configs").splitlines() == config_names()
    assert resblock("configs", "--list") == resblock("configs")
    path = Path(resblock("configs", "--path", FASTER).strip())
    assert path.is_file() and environment in path.parents
    resblock("configs", "--path", "faster_rcnn_flexr18-half_fpn_shapes", status=2)


def test_shapes_features_and_a_summary_are_made_in_an_empty_folder(resblock):
    resblock("shapes", "--train", 8, "--val", 2, "--size", 64)
    assert (resblock.folder / "data/shapes/annotations/instances_train.json").is_file()
    network = ["--depth", 18, "--options", "width=0.125"]
    said = resblock("features", "data/shapes/val", *network, "--out", "features")
    assert "2 written" in said and len(list(resblock.folder.glob("features/*.npz"))) == 2
    assert "layer4" in resblock("summary", *network, "--size", "64x64")


SHORT = ["train_cfg.max_epochs=1", "train_cfg.val_interval=1", "train_dataloader.num_workers=0"]
SHORT += ["train_dataloader.persistent_workers=False", "model.backbone.width=0.25"]


@pytest.mark.slow
def test_a_config_is_trained_tested_asked_copied_and_exported(resblock):
    pytest.importorskip("mmdet")
    resblock("shapes", "--train", 8, "--val", 2)
    changed = ["--cfg-options", *SHORT]
    resblock("train", FASTER, *changed)
    checkpoint = f"work_dirs/{FASTER}/epoch_1.pth"
    assert (resblock.folder / checkpoint).is_file()
    found = ["--out", "found", "--score-threshold", 0]
    resblock("predict", f"resblock::faster_rcnn/{FASTER}.py", checkpoint, "data/shapes/val", *found,
             *changed)  # fmt: skip
    assert json.loads((resblock.folder / "found/predictions.json").read_text())
    resblock("configs", "--copy", FASTER, "mine.py")
    resblock("configs", "--copy", FASTER, "mine.py", status=2)
    resblock("test", "mine.py", checkpoint, *changed)
    width = ["--options", "width=0.25"]
    resblock("export", "mine.py", "--weights", checkpoint, *width, "--to", "torchscript")
    assert (resblock.folder / "backbone.pt").is_file()
    assert "backbone" in resblock("summary", "mine.py", "--size", "64x64")
    assert "tested together" in resblock("doctor")


#: Import packages of what the extra `runtime` installs, with what that needs.
RUNTIME = ["numpy", "PIL", "cv2", "onnxruntime", "flatbuffers", "packaging", "google"]


@pytest.mark.slow
def test_an_exported_model_is_asked_where_neither_torch_nor_an_mm_package_is(dist, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    sys.path.insert(0, str(Path(__file__).parent / "prediction"))
    from test_onnx_model import detector

    folder, images = tmp_path / "env", tmp_path / "images"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (wheel,) = dist.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True)
    here = Path(sysconfig.get_paths()["purelib"])
    for part in [*map(here.joinpath, RUNTIME), *here.glob("*.libs")]:
        (site / part.name).symlink_to(part)
    code = "import importlib.util as i, sys; sys.exit(any(map(i.find_spec, sys.argv[1:])))"
    absent = ["torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmseg", "onnx"]
    subprocess.run([folder / "bin/python", "-c", code, *absent], check=True)

    detector(tmp_path / "model.onnx")
    images.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (50, 40)).save(images / name)
    command = [folder / "bin/resblock", "predict", "model.onnx", "images", "--out", "found"]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 images, 4 objects: ")
    assert {one.name for one in (tmp_path / "found/drawn").iterdir()} == {"a.png", "b.png"}


def test_the_example_of_a_config_for_data_of_one_s_own(resblock):
    pytest.importorskip("mmdet")
    page = (ROOT / "docs/data.md").read_text()
    (example,) = re.findall(r"```py\n(# my_config\.py\n.+?)```", page, re.DOTALL)
    (resblock.folder / "my_config.py").write_text(example)
    resblock("shapes", "--train", 16, "--val", 4)
    made, mine = resblock.folder / "data/shapes", resblock.folder / "data/mine"
    (mine / "annotations").mkdir(parents=True)
    (mine / "images").mkdir()
    for part in ("train", "val"):
        content = json.loads((made / f"annotations/instances_{part}.json").read_text())
        content["categories"] = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
        content["annotations"] = [one for one in content["annotations"] if one["category_id"] < 3]
        for image in content["images"]:
            name = f"{part}-{Path(image['file_name']).name}"
            shutil.copy(made / part / Path(image["file_name"]).name, mine / "images" / name)
            image["file_name"] = name
        (mine / f"annotations/{part}.json").write_text(json.dumps(content))
    shutil.rmtree(made)
    resblock("train", "my_config.py", "--cfg-options", *SHORT)
    assert (resblock.folder / "work_dirs/my_config/epoch_1.pth").is_file()
