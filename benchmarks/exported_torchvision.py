"""What the files of torchvision's detectors and segmentation models find, against the models.

    python benchmarks/exported_torchvision.py --write      # a section of docs/benchmarks.md

With FlexResNet and with torchvision's own backbones, random weights that are spread so that scores
differ; in ONNX Runtime and in OpenVINO (pip install openvino). Results are kept as they come, so a
run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from exported_engines import ENGINES
from exported_models import PAGE, RESULTS, SIZES, engines_against, images_of_all_sizes, silent, slug
from page import put_section

#: Of the models: most objects of an image.
MOST = 50


def models() -> Mapping[str, Callable[[], Any]]:
    """Name -> a detector or segmentation model with five classes, with either backbone."""
    from torchvision.models import detection, segmentation

    from resblock_backbones import FlexResNet
    from resblock_backbones.adapters.torchvision import FlexResNetFPN, deeplabv3, fcn

    def pyramid() -> Any:
        return FlexResNetFPN(FlexResNet(18, width=0.25), out_channels=64)

    def dilated() -> Any:
        return FlexResNet(18, width=0.25, output_stride=16)

    own = {"weights": None, "weights_backbone": None, "num_classes": 6}
    # A black image gives maps of zeros, and no object: on equal scores the choice is chance.
    two = {"box_score_thresh": 0.25, "box_detections_per_img": MOST, "image_mean": [0.0] * 3}
    one = {"score_thresh": 0.55, "detections_per_img": MOST, "image_mean": [0.0] * 3}
    return {
        "FasterRCNN, FlexResNetFPN": lambda: detection.FasterRCNN(pyramid(), 6, **two),
        "FasterRCNN, ResNet-50-FPN": lambda: detection.fasterrcnn_resnet50_fpn(**own, **two),
        "MaskRCNN, FlexResNetFPN": lambda: detection.MaskRCNN(pyramid(), 6, **two),
        "MaskRCNN, ResNet-50-FPN": lambda: detection.maskrcnn_resnet50_fpn(**own, **two),
        "RetinaNet, FlexResNetFPN": lambda: detection.RetinaNet(pyramid(), 6, **one),
        "RetinaNet, ResNet-50-FPN": lambda: detection.retinanet_resnet50_fpn(**own, **one),
        "FCOS, FlexResNetFPN": lambda: detection.FCOS(pyramid(), 6, **one),
        "FCOS, ResNet-50-FPN": lambda: detection.fcos_resnet50_fpn(**own, **one),
        "DeepLabV3, FlexResNet": lambda: deeplabv3(dilated(), 6),
        "DeepLabV3, ResNet-50": lambda: segmentation.deeplabv3_resnet50(**own),
        "FCN, FlexResNet": lambda: fcn(dilated(), 6),
        "FCN, ResNet-50": lambda: segmentation.fcn_resnet50(**own),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parse(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given.results.mkdir(parents=True, exist_ok=True)
    store = given.results / "torchvision.jsonl"
    for name in given.only or models():
        if name not in read(store):
            with silent(given.results / f"{slug(name.replace(',', ''))}.log"):
                result = compared(name)
            with store.open("a") as file:
                file.write(json.dumps({"model": name, **result}) + "\n")
        print(read(store)[name], flush=True)
        if given.write:
            put_section(given.page, "exported torchvision models", section(read(store)))
    return 0


def read(store: Path) -> dict[str, dict[str, Any]]:
    """The results so far, by model."""
    lines = store.read_text().splitlines() if store.is_file() else []
    return {one["model"]: one for one in map(json.loads, lines)}


def compared(name: str) -> dict[str, Any]:
    """Write the file of a model, and compare it in each engine."""
    import torch
    from spread_weights import spread_weights

    from resblock_backbones import export_model
    from resblock_backbones.deploy.models.compare import example_images
    from resblock_backbones.deploy.models.kinds import whole

    torch.manual_seed(0)
    model = models()[name]().eval()
    images = example_images()[0].float() / 255
    segments = hasattr(model, "classifier")
    with torch.no_grad():
        spread_weights(model, lambda: model(images if segments else list(images)))
    ready = whole(model)
    batches = images_of_all_sizes(black=True)
    theirs = [ready.reference(batch) for batch in batches]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        export_model(model, file)
        return {"images": sum(map(len, batches))} | engines_against(ready, file, batches, theirs)


def section(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The section for docs/benchmarks.md."""
    lines = [
        "## Exported models of torchvision",
        "",
        "torchvision's models with random weights, spread so that scores differ, and their files: "
        f"images of {', '.join(f'{height}x{width}' for height, width in SIZES)}, one and three at "
        f"once, some of them black; at most {MOST} objects an image. *Not in both* are objects, or "
        "pixels, that only the model or only the file has.",
        "",
        "| model, backbone | images | objects or pixels | ONNX Runtime, not in both | "
        "OpenVINO, not in both | box, px |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, one in results.items():
        engines = [one[engine] for engine in ENGINES]
        odd = " | ".join(str(engine["odd"]) for engine in engines)
        far = max(engine["box"] for engine in engines)
        box = f"{far:.4f}" if far else ""
        lines.append(f"| {name} | {one['images']} | {engines[0]['objects']:,} | {odd} | {box} |")
    return [*lines, "", "`python benchmarks/exported_torchvision.py --write`"]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="[all]")
    parser.add_argument("--write", action="store_true", help="write the section of the page")
    parser.add_argument("--page", type=Path, default=PAGE, help="[docs/benchmarks.md]")
    parser.add_argument("--results", type=Path, default=RESULTS, help="[work_dirs/exported]")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
