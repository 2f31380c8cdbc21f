"""Which models of the zoos can leave Python whole: one config a folder, a page as the result.

    python benchmarks/zoo_export.py                       # one config of each folder; hours
    python benchmarks/zoo_export.py --families --files    # the families that `export` promises
    python benchmarks/zoo_export.py mmdet/retinanet mmseg/pspnet
    python benchmarks/zoo_export.py --write               # only write docs/zoo-export.md anew

Weights are random, spread so that scores differ. The graph that would be written is run on two
batches and compared with the model's own prediction. With --files it is also written as ONNX for
one size, and the file is compared in the same way. Results are kept as they come, so a run that was
interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from zoo_export_page import FAMILIES, FILES, GRAPHS, format_page
from zoo_run import PACKAGES, RESULTS, ROOT, reason_of, run_all
from zoo_table import read_results

PAGE = ROOT / "docs/zoo-export.md"
ASIDE = ("_base_", "common", "strong_baselines")
#: With random weights each of 1000 proposals would pass for all classes.
FEWER = {"max_per_img": 50, "nms_pre": 100}
#: Height and width of the images that a file is written for.
FILE_SIZE = (128, 160)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parse(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given.results.mkdir(parents=True, exist_ok=True)
    if given.run:
        names = list(FAMILIES.values()) if given.families else choose(given.folders)
        store = given.results / (FILES if given.files else GRAPHS)
        done = {
            one.config
            for one in read_results(store)
            if not (given.retry and one.outcome != "agrees")
        }
        left = [name for name in names if name not in done]
        print(f"{len(names)} configs, {len(names) - len(left)} of them done before")
        try:
            one_config = functools.partial(_run_one, files=given.files)
            run_all(left, store, one_config, limit=given.limit, jobs=given.jobs)
        except KeyboardInterrupt:
            print("\ninterrupted; the same command goes on from here", file=sys.stderr)
            return 130
        found = [one for one in read_results(store) if one.config in set(names)]
        print(f"{sum(one.outcome == 'agrees' for one in found)} of {len(found)} agree")
    if given.write:
        from resblock_backbones.files.whole import write_whole

        write_whole(given.page, format_page(given.results).encode())
    return 0


def choose(wanted: Sequence[str]) -> list[str]:
    """The configs to run, as `mmdet/<folder>/<file>`: the usual one of each folder.

    Args:
        wanted: folders, as `mmdet/retinanet`; empty for all.
    """
    from zoo_model import config_folder

    names = []
    for package in PACKAGES:
        for folder in sorted(config_folder(package).iterdir()):
            asked = not wanted or f"{package}/{folder.name}" in wanted
            if asked and folder.is_dir() and folder.name not in ASIDE:
                config = first_config(folder)
                if config is not None:
                    names.append(f"{package}/{folder.name}/{config.name}")
    return names


def first_config(folder: Path) -> Path | None:
    """The config of a folder that is the most usual: ResNet-50 where there is one."""
    configs = sorted(folder.glob("*.py"))
    usual = [one for one in configs if re.search(r"r50|r-50", one.name)]
    return next(iter([*usual, *configs]), None)


def built(package: str, config: Path) -> Any:
    """Its model, without weights from elsewhere."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope
    from zoo_model import NoModel

    from resblock_backbones.openmmlab.configs.scopes import import_scope

    import_scope(package)
    cfg = Config.fromfile(config)
    if "model" not in cfg:
        raise NoModel
    init_default_scope(package)
    _prepare(cfg.model)
    torch.manual_seed(0)
    return MODELS.build(cfg.model).eval()


def outcome(model: Any, files: bool) -> tuple[str, str]:
    """What becomes of a model, and the figures or the reason."""
    import torch
    from spread_weights import spread_weights

    from resblock_backbones import ExportError, export_model
    from resblock_backbones.deploy.models.compare import compare, example_images, fault, unpack
    from resblock_backbones.deploy.models.kinds import whole

    try:
        ready = whole(model)
        batches = example_images(ready.card.divisor)[:2]
        spread_weights(model, lambda: ready.reference(batches[0]))
        ready = whole(model)
        rows: list[Any] = []
        for batch in batches:
            with torch.no_grad():
                outputs = ready.graph(batch)
            outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
            found = unpack(outputs, ready.card.outputs)
            rows.append(compare(batch.shape, found, ready.reference(batch)))
        wrong = fault(rows)
        if wrong is not None:
            return "differs", wrong
        if files:
            with tempfile.TemporaryDirectory() as folder:
                done = export_model(ready, f"{folder}/model.onnx", static=FILE_SIZE)
            rows = list(done.compared)
    except ExportError as error:
        return "refused", str(error)
    total, odd = sum(row.objects for row in rows), sum(row.odd for row in rows)
    if not total:
        return "nothing", "nothing was found that could be compared"
    unit = "pixels" if ready.card.task == "segmentation" else "objects"
    return "agrees", f"{total:,} {unit}, {odd:,} not in both"


def _prepare(node: Any) -> None:
    """No weights from elsewhere, fewer boxes, batch statistics of one process."""
    if isinstance(node, dict):
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


def _run_one(name: str, pipe: Connection, *, files: bool) -> None:
    """In a process of its own: send the outcome, the figures or the reason, and the backbone."""
    import torch
    from zoo_model import NeedsMore, NoModel, config_folder, named_needs, quiet, refuse_downloads

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    package, _, config = name.partition("/")
    backbone = ""
    try:
        refuse_downloads()
        with named_needs(), quiet():
            model = built(package, config_folder(package) / config)
            backbone = type(getattr(model, "backbone", None)).__name__.replace("NoneType", "")
            result = outcome(model, files)
    except NeedsMore as error:
        result = "needs", f"needs {error}"
    except NoModel:
        result = "none", "no model: a part of other configs"
    except BaseException as error:  # whatever a model of the zoo raises
        if isinstance(error, KeyboardInterrupt):
            return
        result = "failed", reason_of(error)
    pipe.send((result[0], " ".join(result[1].split())[:200], backbone))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", help="as mmdet/retinanet [all]")
    parser.add_argument("--families", action="store_true", help="a config of each family instead")
    parser.add_argument("--files", action="store_true", help="write ONNX files too, for one size")
    parser.add_argument("--jobs", type=int, default=1, help="configs at once [1]")
    parser.add_argument(
        "--limit", type=float, default=300, metavar="SECONDS", help="for one config [300]"
    )
    parser.add_argument("--retry", action="store_true", help="run those again that do not agree")
    parser.add_argument("--write", action="store_true", help="write the page")
    parser.add_argument("--page", type=Path, default=PAGE, help="[docs/zoo-export.md]")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder [work_dirs/zoo]")
    given = parser.parse_args(arguments)
    given.run = bool(given.folders or given.families or not given.write)
    return given


if __name__ == "__main__":
    sys.exit(main())
