"""A trained detector in a folder is the run's own, to the last bit, and tells the run's numbers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import resblock_backbones  # noqa: F401 - before MMDetection, which looks for operators

pytest.importorskip("mmdet.models")
pytest.importorskip("huggingface_hub")

from tiny_run import CLASSES, FIRST, SECOND, tiny_config, tiny_model, write_run  # noqa: E402

from resblock_backbones import FlexResNet, Predictor  # noqa: E402
from resblock_backbones.commands.front import run_command  # noqa: E402
from resblock_backbones.openmmlab.hub.json_config import from_json, to_json  # noqa: E402
from resblock_backbones.openmmlab.hub.of_run import metrics_at, trained_model  # noqa: E402
from resblock_backbones.openmmlab.hub.trained_model import TrainedModel  # noqa: E402

STORED = Path(__file__).parent / "stored_model"
FILES = ("config.json", "model.safetensors", "README.md")


def image():
    return np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)


def found_by(predictor):
    (one,) = predictor([image()])
    assert len(one.boxes)
    return one.boxes, one.scores, one.labels


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run's folder and what is stored of it; tests work on copies."""
    folder = tmp_path_factory.mktemp("made")
    cfg = tiny_config()
    write_run(folder / "pets", cfg, tiny_model(cfg), scores={1: 0.125, 2: 0.375})
    trained_model(folder / "pets").save_pretrained(folder / "stored")
    return folder


@pytest.fixture
def run(made, tmp_path):
    return Path(shutil.copytree(made / "pets", tmp_path / "work_dirs" / "pets"))


@pytest.fixture
def stored(made, tmp_path):
    return Path(shutil.copytree(made / "stored", tmp_path / "a"))


def test_it_predicts_what_config_and_checkpoint_predict(run, stored):
    config = run / FIRST / "vis_data" / "config.py"
    theirs = found_by(Predictor(config, run / "epoch_2.pth", score_threshold=0.1))
    ours = Predictor(stored, score_threshold=0.1)
    for one, other in zip(found_by(ours), theirs, strict=True):
        assert np.array_equal(one, other)
    assert ours.classes == CLASSES


def test_saved_loaded_and_saved_again_all_bits_are_equal(stored, tmp_path):
    TrainedModel.from_pretrained(stored).save_pretrained(tmp_path / "b")
    for name in FILES:
        assert (stored / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_folder_of_the_first_format_loads_and_predicts_the_same():
    expected = json.loads((STORED / "expected.json").read_text())
    boxes, scores, labels = (one[:8] for one in found_by(Predictor(STORED, score_threshold=0.5)))
    assert np.allclose(boxes, expected["boxes"], atol=1e-2)
    assert np.allclose(scores, expected["scores"], atol=1e-4)
    assert labels.tolist() == expected["labels"]


def test_the_card_has_the_numbers_of_the_checkpoint_and_no_others(stored):
    card = (stored / "README.md").read_text()
    assert "| `coco/bbox_mAP` | 0.375 |" in card and "| `coco/cat_precision` | 0.250 |" in card
    assert "0.125" not in card and "mAP_l" not in card  # another epoch's, and one of no objects
    assert "value: 0.375" in card and "pipeline_tag: object-detection" in card
    assert "cat, dog" in card and "| epoch | 2 |" in card and "AdamW" in card and "old.pth" in card


def test_the_files_do_not_tell_the_folders_of_the_user(stored):
    told = "".join((stored / name).read_text() for name in ("config.json", "README.md"))
    assert "/home" not in told and "secret" not in told
    assert json.loads((stored / "config.json").read_text())["training"]["data"] == "pets"


def test_an_earlier_run_in_the_folder_lends_no_numbers(run):
    cfg = tiny_config()
    write_run(run, cfg, tiny_model(cfg), time=SECOND, epoch=2, scores={1: 0.5})
    assert trained_model(run).facts.metrics == {}
    file = run / "again"
    trained_model(run).save_pretrained(file)
    assert "did not evaluate this checkpoint" in (file / "README.md").read_text()


def test_a_run_that_went_on_has_the_numbers_of_both_parts(run):
    cfg = tiny_config()
    write_run(run, cfg, tiny_model(cfg), time=SECOND, epoch=3, scores={3: 0.5}, resume=True)
    assert trained_model(run).facts.metrics["coco/bbox_mAP"] == 0.5
    assert metrics_at(run / SECOND, 2)["coco/bbox_mAP"] == 0.375


def test_the_best_checkpoint_is_taken_where_the_run_kept_it(run):
    cfg = tiny_config()
    write_run(run, cfg, tiny_model(cfg), time=SECOND, epoch=7, scores={7: 0.75})
    (run / "epoch_7.pth").rename(run / "best_coco_bbox_mAP_epoch_7.pth")
    assert trained_model(run).facts.trained["epoch"] == 7
    assert trained_model(run, checkpoint=str(run / "epoch_2.pth")).facts.trained["epoch"] == 2


@pytest.mark.parametrize(
    "value",
    [
        {"type": "Resize", "scale": (160, 160), "keep": None},
        [(1, (2.5, "a")), {"b": [True, ()]}],
        {"regress_ranges": ((-1, 64), (64, float("inf")))},
        {},
    ],
    ids=str,
)
def test_parts_of_a_config_survive_json_as_they_are(value):
    assert from_json("x", json.loads(json.dumps(to_json("x", value), allow_nan=False))) == value


def test_classes_of_new_style_configs_are_stored_by_name():
    from mmdet.models import FCOS

    assert to_json("model", {"type": FCOS}) == {"type": "mmdet.FCOS"}
    assert to_json("model", {"type": "mmdet.models.FCOS"}) == {"type": "mmdet.FCOS"}
    assert to_json("model", {"type": FlexResNet}) == {"type": "FlexResNet"}
    with pytest.raises(ValueError, match="model.loss=.*has no place in a JSON file"):
        to_json("model", {"loss": torch.nn.L1Loss})


def changed(folder, **values):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    "kind", ["subprocess.Popen", "builtins.eval", "mmdet.os.system", "torch.nn.Conv2d", 3, ["a"]]
)
@pytest.mark.parametrize("place", ["model", "pipeline"])
def test_a_file_builds_nothing_but_classes_of_the_registries(kind, place, stored):
    step = {"type": "LoadImageFromFile", "inner": {"type": kind, "args": ["true"]}}
    changed(stored, **{place: step if place == "model" else [step]})
    with pytest.raises(ValueError, match="is no name of a registry") as caught:
        Predictor(stored)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"format": 2, "version": "9.1.0"}, r"newer version: format 2.*9\.1\.0 wrote it"),
        ({"format": None}, "newer version: format None"),
        ({"library": "timm"}, "is not a config.json that `resblock share` writes"),
        ({"options": {"depth": 18}}, "FlexResNet.from_pretrained reads"),
        ({"palette": [1]}, "is not whole"),
        ({"pipeline": None}, "is not whole"),
        ({"model": {"type": "Unheard"}}, "its model cannot be built: .*Unheard"),
        ({"scope": "mmdte"}, "did you mean 'mmdet'"),
        ({"pipeline": []}, "pipeline"),
    ],
    ids=str,
)
def test_a_config_that_cannot_be_read_is_told_in_one_line(values, words, stored):
    changed(stored, **values)
    with pytest.raises(ValueError, match=words):
        Predictor(stored)


def test_weights_that_are_cut_or_missing_are_told(stored):
    file = stored / "model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ValueError, match="model.safetensors"):
        Predictor(stored)
    with pytest.raises(ValueError, match="model.safetensors: cannot be read"):
        TrainedModel.from_pretrained(stored)
    (stored / "config.json").unlink()
    with pytest.raises(ValueError, match="config.json: there is no such file"):
        Predictor(stored)


def test_a_backbone_and_a_whole_model_are_not_mistaken_for_each_other(stored, tmp_path):
    with pytest.raises(ValueError, match="whole model, which Predictor opens"):
        FlexResNet.from_pretrained(stored)
    FlexResNet(18, base_channels=4).save_pretrained(tmp_path / "net")
    with pytest.raises(ValueError, match=r"FlexResNet\.from_pretrained reads"):
        Predictor(tmp_path / "net")


def test_the_backbone_of_a_stored_model_is_read_as_weights(stored):
    net = FlexResNet.from_checkpoint(stored / "model.safetensors")
    assert net.out_channels == (2, 4, 8, 16)


def test_pushing_uploads_the_files_and_the_hubs_name_opens_them(run, stored, monkeypatch, capsys):
    import huggingface_hub
    import huggingface_hub.hub_mixin as mixin

    uploaded = {}

    class Api:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, private=None, **_):
            uploaded["private"] = private
            return type("Repo", (), {"repo_id": repo_id})

        def upload_folder(self, repo_id, folder_path, **_):
            uploaded[repo_id] = {one.name: one.read_bytes() for one in Path(folder_path).iterdir()}
            return "https://hub/me/pets/commit/1"

    monkeypatch.setattr(mixin, "HfApi", Api)
    assert run_command("share", [str(run), "--push", "me/pets", "--private"]) == 0
    assert "https://hub/me/pets/commit/1" in capsys.readouterr().out
    assert uploaded["private"] is True
    assert uploaded["me/pets"] == {name: (stored / name).read_bytes() for name in FILES}

    asked = []

    def download(repo_id, file, **options):
        asked.append((repo_id, options.get("revision")))
        return str(stored / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert Predictor("hf-hub:me/pets@v1").classes == CLASSES
    assert set(asked) == {("me/pets", "v1")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone", "--out", "b"], "gone: there is no such folder"),
        (["RUN"], "where to? give --out FOLDER"),
        (["RUN", "--out", "b", "--private"], "--private: goes with --push"),
        (["RUN", "--out", "STORED"], "has a config.json; give --force"),
        (["EMPTY", "--out", "b"], "has no checkpoint"),
        (["RUN", "--out", "b", "--checkpoint", "gone.pth"], "gone.pth: there is no such file"),
        (["RUN", "--out", "b", "--config", "gone.py"], "gone.py"),
        (["RUN", "--push", "no such name"], "--push no such name: could not be uploaded"),
    ],
    ids=str,
)
def test_wrong_arguments_are_one_line(arguments, words, run, stored, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty").mkdir()
    places = {"RUN": str(run), "STORED": str(stored), "EMPTY": str(tmp_path / "empty")}
    assert run_command("share", [places.get(one, one) for one in arguments]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and words in told[0]


def test_a_checkpoint_of_another_model_is_refused(run):
    cfg = tiny_config()
    cfg.model.backbone.base_channels = 4
    file = run / "other.pth"
    torch.save({"state_dict": tiny_model(cfg).state_dict(), "meta": {}}, file)
    with pytest.raises(ValueError, match="which config did it train"):
        trained_model(run, checkpoint=str(file))
    with pytest.raises(ValueError, match="does not fit the model of the run"):
        trained_model(run, checkpoint=str(file), config=str(run / FIRST / "vis_data/config.py"))
