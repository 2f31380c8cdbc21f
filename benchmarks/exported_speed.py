"""How long a whole model takes for one image: in PyTorch, and its file in two engines.

    python benchmarks/exported_speed.py --write docs/benchmarks.md        # five minutes
    python benchmarks/exported_speed.py --models "Faster R-CNN, shapes" --rounds 3

All in one process and in turn, so that what else the machine does meets all alike. Weights are
random, spread so that scores differ; times are those from an image in memory, uint8, to what is in
it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from exported_engines import OpenVino, onnx_runtime
from page import processor, put_section

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


@dataclass(frozen=True)
class Case:
    """A shipped config, and the side of the square images that it is asked about, in pixels."""

    config: str
    side: int


CASES = {
    "Faster R-CNN, ResNet-50-FPN": Case("faster_rcnn/faster-rcnn_flexr50_fpn_1x_coco.py", 640),
    "Faster R-CNN, shapes": Case("faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py", 160),
    "RetinaNet, shapes": Case("retinanet/retinanet_flexr18-half_fpn_shapes.py", 160),
    "DeepLabV3+, shapes": Case("deeplabv3plus/deeplabv3plus_flexr18-half-d16_shapes.py", 160),
}
#: The first is what the others are compared with.
FIRST = "PyTorch"


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parse(arguments)
    import torch

    torch.set_num_threads(given.threads)
    rows, objects = {}, {}
    for name in given.models:
        with tempfile.TemporaryDirectory() as folder:
            ways = ways_of(CASES[name], Path(folder), given)
            objects[name] = len(ways[FIRST]()[0].get("scores", ()))
            rows[name] = times_of(ways, given.rounds)
        for way, times in rows[name].items():
            print(f"{name}: {way}: {1000 * statistics.median(times):.1f} ms", flush=True)
        if given.write is not None:
            put_section(given.write, "exported speed", section(rows, objects, given))
    return 0


def ways_of(case: Case, folder: Path, given: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """Way -> a call that predicts one image in it."""
    import torch

    from resblock_backbones import export_model, fuse_backbone
    from resblock_backbones.data.shapes import make_shapes
    from resblock_backbones.openmmlab.export.kind import Reference
    from resblock_backbones.prediction.int8 import write_int8

    model = built(case)
    make_shapes(folder / "images", train=given.calibrate, val=1, size=case.side, progress=False)
    files = sorted((folder / "images/train").iterdir())
    pixels = torch.from_numpy(_read(next((folder / "images/val").iterdir())))
    images = pixels.permute(2, 0, 1)[None].contiguous()
    export_model(model, folder / "model.onnx", static=(case.side, case.side))
    write_int8(folder / "model.onnx", folder / "int8.onnx", files)
    sessions = {
        "ONNX Runtime": onnx_runtime(folder / "model.onnx", given.threads),
        "ONNX Runtime, int8": onnx_runtime(folder / "int8.onnx", given.threads),
        "OpenVINO": OpenVino(folder / "model.onnx", given.threads),
        "OpenVINO, int8": OpenVino(folder / "int8.onnx", given.threads),
    }
    eager, fused = Reference(model), Reference(fuse_backbone(model))

    def call(session: Any) -> Callable[[], Any]:
        names = [one.name for one in sessions["ONNX Runtime"].get_outputs()]
        return lambda: session.run(names, {"images": images.numpy().astype(np.float32)})

    return {
        FIRST: lambda: eager(images),
        "PyTorch, fuse_backbone": lambda: fused(images),
        **{way: call(session) for way, session in sessions.items()},
    }


def built(case: Case) -> Any:
    """The model of a config with random weights."""
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope
    from spread_weights import spread_weights

    from resblock_backbones.deploy.models.compare import example_images
    from resblock_backbones.openmmlab.export.kind import Reference
    from resblock_backbones.openmmlab.models.channels import link_channels

    cfg = Config.fromfile(CONFIGS / case.config)
    cfg.model.backbone.init_cfg = None
    if "rcnn" in cfg.model.test_cfg:
        cfg.model.test_cfg.rcnn.score_thr = 0.2 if case.side == 160 else 0.05
    init_default_scope(cfg.default_scope)
    link_channels(cfg.model)
    model = MODELS.build(cfg.model).eval()
    spread_weights(model, lambda: Reference(model)(example_images()[0]))
    return model


def times_of(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way, one after the other in each round; the first two calls do not count."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 2):
        for way, call in ways.items():
            begin = time.perf_counter()
            call()
            if number >= 2:
                times[way].append(time.perf_counter() - begin)
    return times


def section(
    rows: dict[str, dict[str, list[float]]], objects: dict[str, int], given: argparse.Namespace
) -> list[str]:
    """The section for docs/benchmarks.md; `objects` are those of each model in its image."""
    import onnxruntime
    import openvino
    import torch

    lines = [
        "## Speed of exported models",
        "",
        "A whole model, from one image in memory to objects or a label map: in PyTorch as "
        "MMDetection or MMSegmentation predict it, and its file of `resblock export`, of a fixed "
        "size. *Speed-up* is the median over rounds of PyTorch's time divided by this one's.",
        "",
        "| model | image | objects | way | ms | quartiles | speed-up |",
        "|---|---|---:|---|---:|---:|---:|",
    ]
    for name, times in rows.items():
        side = CASES[name].side
        for way, seconds in times.items():
            low, middle, high = statistics.quantiles([1000 * one for one in seconds], n=4)
            ratio = statistics.median(a / b for a, b in zip(times[FIRST], seconds, strict=True))
            lines.append(
                f"| {name} | {side}x{side} | {objects[name] or ''} | {way} | {middle:.1f} | "
                f"{low:.1f} to {high:.1f} | {ratio:.2f} |"
            )
    return [
        *lines,
        "",
        f"{given.rounds} rounds in one process and in turn, {given.threads} threads, on an "
        f"{processor()} without a GPU; PyTorch {torch.__version__}, ONNX Runtime "
        f"{onnxruntime.__version__}, OpenVINO {openvino.__version__.partition('-')[0]}. int8: "
        "convolutions and linear layers. Weights are random, each layer's scaled until what it "
        "gives has a standard deviation of one, so that detectors find objects (their number in "
        "the image is given); each file found what its model does before it was timed.",
        "",
        "`python benchmarks/exported_speed.py --write docs/benchmarks.md`",
    ]


def _read(file: Path) -> np.ndarray:
    from PIL import Image

    return np.array(Image.open(file).convert("RGB"))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES), metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=11, help="[%(default)s]")
    parser.add_argument("--threads", type=int, default=2, help="of each way [%(default)s]")
    parser.add_argument(
        "--calibrate", type=int, default=8, help="images that int8 is calibrated with [%(default)s]"
    )
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write a section of this page")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
