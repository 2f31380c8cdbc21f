"""Which models of the zoos can leave Python whole: one config a folder, a page as the result.

    python benchmarks/zoo_export.py --out docs/zoo-export.md
    python benchmarks/zoo_export.py mmdet/retinanet mmseg/pspnet --files

Weights are random and moved a little apart, so that scores differ. The graph that would be written
is run on two batches and compared with the model's own prediction. With --files it is also written
as ONNX for one size, and the file is compared in the same way.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import re
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, init_default_scope
from zoo_model import NeedsMore, NoModel, config_folder

from resblock_backbones import ExportError, export_model
from resblock_backbones.deploy.models.compare import compare, example_images, fault, unpack
from resblock_backbones.deploy.models.kinds import whole
from resblock_backbones.openmmlab.configs.scopes import import_scope

ASIDE = ("_base_", "common", "strong_baselines")
#: With random weights each of 1000 proposals would pass for all classes.
FEWER = {"max_per_img": 100, "nms_pre": 200}


def first_config(folder: Path) -> Path | None:
    """The config of a folder that is the most usual: ResNet-50 where there is one."""
    configs = sorted(folder.glob("*.py"))
    usual = [one for one in configs if re.search(r"r50|r-50", one.name)]
    return next(iter([*usual, *configs]), None)


def built(package: str, config: Path) -> Any:
    """Its model, with random weights that lie apart."""
    import_scope(package)
    cfg = Config.fromfile(config)
    if "model" not in cfg:
        raise NoModel
    init_default_scope(package)
    _prepare(cfg.model)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    for name, value in model.state_dict().items():
        if value.dim() > 1 and re.search("cls|reg|conv_seg|logits", name):
            value.normal_(0, 0.03)
    return model


def _prepare(node: Any) -> None:
    """No weights from elsewhere, fewer boxes, batch statistics of one process."""
    if isinstance(node, ConfigDict):
        for name in ("init_cfg", "pretrained", "checkpoint"):
            if name in node:
                node[name] = None
        for name, most in FEWER.items():
            if isinstance(node.get(name), int) and node[name] > most:
                node[name] = most
        if node.get("type") == "SyncBN":
            node["type"] = "BN"
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list | tuple):
            _prepare(child)


def outcome(model: Any, files: bool) -> str:
    """What becomes of a model, for the page."""
    ready = whole(model)
    rows = []
    for batch in example_images(ready.card.divisor)[:2]:
        with torch.no_grad():
            outputs = ready.graph(batch)
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        found = unpack(outputs, ready.card.outputs)
        rows.append(compare(batch.shape, found, ready.reference(batch)))
    wrong = fault(rows)
    if wrong is not None:
        return f"differs: {wrong}"
    unit = "pixels" if ready.card.task == "segmentation" else "objects"
    total, odd = sum(row.objects for row in rows), sum(row.odd for row in rows)
    told = f"agrees: {total - odd} of {total} {unit}"
    if files:
        with tempfile.TemporaryDirectory() as folder:
            export_model(ready, f"{folder}/model.onnx", static=(128, 160))
        told += "; so does its file"
    return told if total else "nothing found to compare"


def line_of(package: str, folder: Path, files: bool) -> str:
    """A row of the page."""
    config = first_config(folder)
    if config is None:
        return ""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            result = outcome(built(package, config), files)
    except (NoModel, NeedsMore):
        return ""
    except ExportError as error:
        result = str(error)
    except Exception as error:  # whatever a model of the zoo raises
        result = f"{type(error).__name__}: {error}"
    result = " ".join(result.split())[:160].replace("|", "/")
    return f"| {package}/{folder.name} | {config.stem} | {result} |"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="*", help="as mmdet/retinanet [all]")
    parser.add_argument("--files", action="store_true", help="write ONNX files too, for one size")
    parser.add_argument("--out", type=Path, help="the page [on the screen]")
    given = parser.parse_args(arguments)
    rows = []
    for package in ("mmdet", "mmseg"):
        for folder in sorted(config_folder(package).iterdir()):
            wanted = not given.folders or f"{package}/{folder.name}" in given.folders
            if wanted and folder.is_dir() and folder.name not in ASIDE:
                row = line_of(package, folder, given.files)
                if row:
                    print(row, flush=True)
                    rows.append(row)
                gc.collect()
    agree = sum("agrees" in row for row in rows)
    if given.out is not None:
        given.out.write_text(PAGE.format(agree=agree, total=len(rows), rows="\n".join(rows)))
    print(f"{agree} of {len(rows)} agree", file=sys.stderr)
    return 0


PAGE = """# Which models of the zoos can be written whole

One config a folder of MMDetection's and MMSegmentation's zoos, random weights, by
`benchmarks/zoo_export.py`: the graph that `resblock export` writes is run in PyTorch on two batches
and compared with the model's own prediction. {agree} of {total} agree; the others say what is in
the way.

| folder | config | |
|---|---|---|
{rows}
"""

if __name__ == "__main__":
    sys.exit(main())
