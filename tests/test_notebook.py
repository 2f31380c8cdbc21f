"""The notebook runs from its first cell to its last one, with small numbers."""

import configparser
import os
import re
import sys
from pathlib import Path

import pytest

import mkdocs_pages

ROOT = Path(__file__).parents[1]
(NOTEBOOK,) = ROOT.glob("docs/notebooks/*.ipynb")
DETECTOR = 'DetInferencer("retinanet_r18_fpn_1x_coco"'

#: What is written in the notebook, and what the test runs in its place.
TINY = {
    # The weights are not downloaded: random ones are made.
    f"{DETECTOR})": f'{DETECTOR}, weights="random.pth")',
    "pred_score_thr=0.4": "pred_score_thr=0.0",
    "--train 200 --val 50": "--train 12 --val 4",
    "--epochs 12": "--epochs 1",
    "epoch_12": "epoch_1",
}


@pytest.fixture
def cells():
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_of(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook_installs_an_extra_that_exists_and_keeps_no_output(cells):
    install, *rest = code_of(cells)
    extras = re.fullmatch(r"%pip install -q 'resblock_backbones\[(.+)\]'", install).group(1)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert set(extras.split(",")) <= set(setup["options.extras_require"])
    assert not [text for text in rest if "pip install" in text]
    assert not [cell for cell in cells.cells if cell.get("outputs")]
    assert not [old for old in TINY if old not in "\n".join(rest)]


def test_the_site_shows_every_cell(cells):  # of the first, title and text with a link between
    assert list(mkdocs_pages.NOTEBOOKS.values()) == [f"notebooks/{NOTEBOOK.name}"]
    text = mkdocs_pages.notebook_page(NOTEBOOK)
    assert not [cell.source for cell in cells.cells[1:] if cell.source.strip() not in text]


@pytest.mark.slow
def test_the_notebook_runs(cells, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("onnxscript")
    pytest.importorskip("mmdet")
    save_random_weights(tmp_path / "random.pth")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for cell in cells.cells:
        if cell.cell_type == "code":
            cell.source = tiny(cell.source)
    nbclient.NotebookClient(
        cells, timeout=None, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [cell.outputs for cell in cells.cells if cell.cell_type == "code"]
    shown = [one for output in outputs for one in output if "image/png" in one.get("data", {})]
    assert len(shown) == 2  # the detector's, and ground truth beside predictions
    assert {"mine.onnx", "predictions"} <= {file.name for file in tmp_path.iterdir()}


def tiny(source: str) -> str:
    """A cell with small numbers, which does not install, and fails where its command does."""
    for old, new in TINY.items():
        source = source.replace(old, new)
    if "\n!" in f"\n{source}":
        source += "\nassert _exit_code == 0"
    return source if "%pip" not in source else "pass"


def save_random_weights(file: Path) -> None:
    import torch
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.hub import get_config

    register_all_modules()
    config = get_config("mmdet::retinanet/retinanet_r18_fpn_1x_coco.py")
    config.model.backbone.init_cfg = None
    torch.save({"state_dict": MODELS.build(config.model).state_dict()}, file)
