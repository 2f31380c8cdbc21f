"""What the files of `resblock export` find, in two engines, against the models they are made from.

    python benchmarks/exported_models.py                  # every family; about an hour
    python benchmarks/exported_models.py --only "RetinaNet" "PSPNet"
    python benchmarks/exported_models.py --write          # only write docs/benchmarks.md anew

Each family of models is trained on `shapes` for a short while and written as ONNX; the metric of
the model in PyTorch and of its file in ONNX Runtime and in OpenVINO (pip install openvino) are
compared. Then the same with random weights on images of sizes that were not traced, one and three
at once, one of them without objects and others with more than the model may give. Results are kept
as they come, so a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from exported_engines import ENGINES, opened
from exported_families import FAMILIES, schedule, write_config
from page import put_section

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "work_dirs/exported"
PAGE = ROOT / "docs/benchmarks.md"
ITERATIONS = 300
#: The metric of a family, as the table names it -> as the run does, and what it is divided by.
METRICS = {
    "box mAP": ("coco/bbox_mAP", 1),
    "mask mAP": ("coco/segm_mAP", 1),
    "mIoU": ("mIoU", 100),
}
#: Height and width of images; none of them is traced or compared when a file is written.
SIZES = ((75, 110), (160, 129), (201, 96))
#: Most objects of an image, of a model with random weights, so that images have more.
MOST = 20
#: Mean colour of the images of these models.
MEAN = (124, 116, 104)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parse(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given.results.mkdir(parents=True, exist_ok=True)
    store = given.results / "results.jsonl"
    if given.one is not None:
        for kind in _missing(store, given.one, given.kinds):
            result = {"trained": trained, "random": random}[kind](given.one, given)
            with store.open("a") as file:
                file.write(json.dumps({"family": given.one, "kind": kind, **result}) + "\n")
        return 0
    failed = 0
    if not given.write or given.only:
        for name in given.only or FAMILIES:
            if _missing(store, name, given.kinds):
                command = [sys.executable, __file__, "--one", name, "--kinds", *given.kinds]
                command += ["--results", str(given.results)]
                command += ["--iterations", str(given.iterations)]
                subprocess.run(command, check=False)
            failed += len(_missing(store, name, given.kinds))
            for kind in given.kinds:
                print(name, kind, read(store).get((name, kind), "failed"), flush=True)
    if given.write:
        put_section(given.page, "exported models", section(read(store)))
    return 1 if failed else 0


def read(store: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The results so far: family and kind -> the last one."""
    lines = store.read_text().splitlines() if store.is_file() else []
    return {(one["family"], one["kind"]): one for one in map(json.loads, lines)}


def _missing(store: Path, name: str, kinds: Sequence[str]) -> list[str]:
    done = read(store)
    return [kind for kind in kinds if (name, kind) not in done]


# --- Trained ----------------------------------------------------------------------------------


def trained(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Train a family, write its file, and test all three."""
    from resblock_backbones import export_model
    from resblock_backbones.data.shapes import make_shapes
    from resblock_backbones.openmmlab.export.of_config import whole_of_config
    from resblock_backbones.openmmlab.training.launch import train

    family = FAMILIES[name]
    data = given.results / f"shapes-{family.side}"
    make_shapes(data, size=family.side, progress=False)
    config = given.results / f"{slug(name)}.py"
    folder = given.results / slug(name)
    before = sorted(folder.glob("iter_*.pth"))
    checkpoint = before[-1] if before else folder / f"iter_{given.iterations}.pth"
    write_config(name, config, schedule(family, data, given.iterations))
    if not before:
        with silent(folder.with_suffix(".log")):
            train(str(config), work_dir=str(folder))
    file = folder / "model.onnx"
    with silent(folder.with_suffix(".log")):
        ready, text = whole_of_config(str(config), str(checkpoint))
        export_model(ready, file, config=text, replace=True)
        scores = {"PyTorch": _metrics(config, checkpoint, folder)}
        for engine in ENGINES:
            with in_engine(engine):
                scores[engine] = _metrics(config, file, folder)
    return {"iterations": int(checkpoint.stem.partition("_")[2]), "scores": scores}


@contextlib.contextmanager
def in_engine(engine: str) -> Iterator[None]:
    """Let exported files run in this engine."""
    with mock.patch(
        "resblock_backbones.prediction.onnx_model._session", lambda file: opened(engine, file)
    ):
        yield


def _metrics(config: Path, file: Path, folder: Path) -> dict[str, float]:
    from resblock_backbones.openmmlab.training.launch import test

    found = test(str(config), str(file), work_dir=str(folder))
    return {
        title: float(found[name]) / scale
        for title, (name, scale) in METRICS.items()
        if name in found
    }


# --- Random weights ---------------------------------------------------------------------------


def random(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Compare the file of a family with random weights on many images."""
    from resblock_backbones import export_model
    from resblock_backbones.deploy.models.kinds import whole

    with silent(given.results / f"{slug(name)}-random.log"):
        model = random_model(name)
        ready = whole(model)
        batches = images_of_all_sizes(FAMILIES[name].segments)
        theirs = [ready.reference(batch) for batch in batches]
        result: dict[str, Any] = {"images": sum(len(batch) for batch in batches)}
        if not FAMILIES[name].segments:
            counts = [len(one["scores"]) for found in theirs for one in found]
            more = _counts_without_limit(model, batches)
            result["without objects"] = sum(count == 0 for count in counts)
            result["more than K"] = sum(count > MOST for count in more)
            assert max(counts) == MOST
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "model.onnx")
            export_model(model, file)
            result |= engines_against(ready, file, batches, theirs)
    return result


def engines_against(
    ready: Any, file: Path, batches: Sequence[Any], theirs: Sequence[Any]
) -> dict[str, Any]:
    """A file in each engine against what its model finds in batches."""
    import torch

    from resblock_backbones.deploy.models.compare import compare, fault, unpack

    result = {}
    for engine in ENGINES:
        session = opened(engine, file)
        rows = []
        for batch, found in zip(batches, theirs, strict=True):
            names = list(ready.card.outputs)
            outputs = session.run(names, {"images": batch.to(torch.float32).numpy()})
            rows.append(compare(tuple(batch.shape), unpack(outputs, names), found))
        result[engine] = {
            "objects": sum(row.objects for row in rows),
            "odd": sum(row.odd for row in rows),
            "box": max(row.box for row in rows),
            "fault": fault(rows),
        }
    return result


def random_model(name: str) -> Any:
    """A family's model, an eighth as wide as usual, with random weights.

    An image that has the mean colour all over gives maps of zeros, and so no object.
    """
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope
    from spread_weights import spread_weights

    from resblock_backbones.deploy.models.compare import example_images
    from resblock_backbones.openmmlab.export.kind import Reference
    from resblock_backbones.openmmlab.models.channels import link_channels

    with tempfile.TemporaryDirectory() as folder:
        write_config(name, Path(folder, "config.py"))
        cfg = Config.fromfile(Path(folder, "config.py"))
    cfg.model.backbone.update(width=0.125, init_cfg=None)
    init_default_scope(cfg.default_scope)
    link_channels(cfg.model)
    cfg.model.data_preprocessor.mean = list(MEAN)
    if not FAMILIES[name].segments:
        last = cfg.model.test_cfg.get("rcnn", cfg.model.test_cfg)
        # Half is the score of a logit of zero; of six classes it is a sixth.
        last.update(max_per_img=MOST, score_thr=0.25 if "rcnn" in cfg.model.test_cfg else 0.55)
    model = MODELS.build(cfg.model).eval()
    spread_weights(model, lambda: Reference(model)(example_images()[0]))
    return model


def images_of_all_sizes(black: bool) -> list[Any]:
    """One and three images of each size, uint8; the first of three is plain."""
    import torch

    from resblock_backbones.deploy.models.compare import example_images

    drawn = example_images(96)[2]  # (3, 3, 481, 297)
    plain = torch.tensor((0, 0, 0) if black else MEAN, dtype=torch.uint8)
    batches = []
    for height, width in SIZES:
        images = drawn[:, :, 100 : 100 + height, 60 : 60 + width].clone()
        batches.append(images[:1].clone())
        images[0] = plain[:, None, None]
        batches.append(images)
    return [*batches, images[:1].clone()]


def _counts_without_limit(model: Any, batches: Sequence[Any]) -> list[int]:
    """How many objects each image has where no limit cuts them off."""
    from resblock_backbones.openmmlab.export.kind import Reference

    head = getattr(model, "roi_head", None) or model.bbox_head
    limit, head.test_cfg.max_per_img = head.test_cfg.max_per_img, 1000
    try:
        found = [one for batch in batches for one in Reference(model)(batch)]
    finally:
        head.test_cfg.max_per_img = limit
    return [len(one["scores"]) for one in found]


# --- The page ---------------------------------------------------------------------------------


def section(results: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """The section for docs/benchmarks.md."""
    import onnxruntime
    import openvino

    lines = [
        "## Exported models",
        "",
        "Models that were trained on `shapes` for a short while, and their files of `resblock "
        "export`: the metric on the 100 validation images.",
        "",
        "| family | iterations | metric | PyTorch | ONNX Runtime | OpenVINO | largest difference |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for name in FAMILIES:
        found = results.get((name, "trained"), {"iterations": 0, "scores": {"PyTorch": {}}})
        scores = found["scores"]
        for metric in scores["PyTorch"]:
            values = [scores[way][metric] for way in ("PyTorch", *ENGINES)]
            cells = " | ".join(f"{value:.4f}" for value in values)
            far = max(abs(value - values[0]) for value in values)
            lines.append(f"| {name} | {found['iterations']} | {metric} | {cells} | {far:.4f} |")
    sizes = ", ".join(f"{height}x{width}" for height, width in SIZES)
    lines += [
        "",
        "Half-width ResNet-18 from scratch; an iteration has 4 images of 160x160 or, of "
        "segmentors, 8 of 96x96. MMDetection gives a mAP with three digits.",
        "",
        "The same families with random weights: images of "
        f"{sizes}, one and three at once, none of which was traced or compared when the file was "
        f"written. At most {MOST} objects an image (K). *Not in both* are objects, or pixels, that "
        "only the model or only the file has.",
        "",
        "| family | images | without objects | with more than K | objects or pixels | "
        "ONNX Runtime, not in both | OpenVINO, not in both | box, px |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in FAMILIES:
        one = results.get((name, "random"))
        if one is None:
            continue
        engines = [one[engine] for engine in ENGINES]
        odd = " | ".join(str(engine["odd"]) for engine in engines)
        cells = [str(one["images"])]
        cells += [str(one.get(kind, "")) for kind in ("without objects", "more than K")]
        box = "" if FAMILIES[name].segments else f"{max(e['box'] for e in engines):.4f}"
        cells += [f"{engines[0]['objects']:,}", odd, box]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        f"ONNX Runtime {onnxruntime.__version__}, OpenVINO "
        f"{openvino.__version__.partition('-')[0]} in float32.",
        "",
        "`python benchmarks/exported_models.py --write`",
    ]


def slug(name: str) -> str:
    """A name for files.

    >>> slug("DeepLabV3+")
    'deeplabv3plus'
    """
    return name.replace(" ", "-").replace("+", "plus").lower()


@contextlib.contextmanager
def silent(log: Path) -> Iterator[None]:
    """Write what is said to a file."""
    with log.open("a") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        yield


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=FAMILIES, metavar="FAMILY", help="[all]")
    parser.add_argument(
        "--kinds", nargs="+", choices=("trained", "random"), default=("trained", "random")
    )
    parser.add_argument(
        "--iterations", type=int, default=ITERATIONS, help="of a training [%(default)s]"
    )
    parser.add_argument("--write", action="store_true", help="write the section of the page")
    parser.add_argument("--page", type=Path, default=PAGE, help="[docs/benchmarks.md]")
    parser.add_argument("--results", type=Path, default=RESULTS, help="[work_dirs/exported]")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # in a process of its own
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
