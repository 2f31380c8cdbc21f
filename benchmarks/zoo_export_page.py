"""The results of `zoo_export.py`, as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from zoo_table import Result, read_results

#: Where results are kept: of graphs in PyTorch, and of ONNX files.
GRAPHS, FILES = "export.jsonl", "export-files.jsonl"

#: What `resblock export` promises to write -> a config of it.
FAMILIES = {
    "Faster R-CNN": "mmdet/faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "Mask R-CNN": "mmdet/mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "Cascade R-CNN": "mmdet/cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py",
    "Cascade Mask R-CNN": "mmdet/cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py",
    "RetinaNet": "mmdet/retinanet/retinanet_r50_fpn_1x_coco.py",
    "FCOS": "mmdet/fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
    "ATSS": "mmdet/atss/atss_r50_fpn_1x_coco.py",
    "GFL": "mmdet/gfl/gfl_r50_fpn_1x_coco.py",
    "DeepLabV3": "mmseg/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py",
    "DeepLabV3+": "mmseg/deeplabv3plus/deeplabv3plus_r50-d8_4xb4-20k_voc12aug-512x512.py",
    "PSPNet": "mmseg/pspnet/pspnet_r50-d8_4xb4-20k_voc12aug-512x512.py",
    "FCN": "mmseg/fcn/fcn_r50-d8_4xb4-20k_voc12aug-512x512.py",
    "UPerNet": "mmseg/upernet/upernet_r50_4xb4-20k_voc12aug-512x512.py",
}

HEAD = """# The zoos' models, exported whole

Which models of MMDetection and MMSegmentation `resblock export` writes ([how](deploy.md)). Weights
are random. An object counts as in both with the same label, a score within 1e-3 and every
coordinate within 0.1 % of the longer side; two in a hundred may differ, and one pixel in a thousand
of a label map.

Written by `python benchmarks/zoo_export.py --write`; its docstring describes how to run it.
"""


def is_resnet(backbone: str) -> bool:
    """Whether it is one that FlexResNet stands for.

    >>> [is_resnet(name) for name in ("ResNeXt", "ResNetV1c", "Res2Net", "ResNeSt")]
    [True, True, False, False]
    """
    return backbone in ("ResNet", "ResNeXt", "ResNetV1c", "ResNetV1d", "FlexResNet")


def format_page(folder: Path) -> str:
    """The whole page, from the files of results in a folder."""
    files = {one.config: one for one in read_results(folder / FILES)}
    graphs = [one for one in read_results(folder / GRAPHS) if one.outcome != "none"]
    parts = [HEAD]
    rows = [(name, files[config]) for name, config in FAMILIES.items() if config in files]
    if rows:
        parts.append(
            "## Files\n\n"
            "One image of a fixed size, as ONNX, under ONNX Runtime: five images, one of them "
            "black.\n\n"
            "| family | config | file against the model |\n|---|---|---|"
        )
        parts += [f"| {name} | `{one.config}` | {_cell(one)} |" for name, one in rows]
        parts.append("")
    parts.append(
        "## One config a folder\n\n"
        "The graph that is written, run in PyTorch on three images of two sizes.\n"
    )
    resnets = [one for one in graphs if is_resnet(one.backbone)]
    parts += [f"- {_share('all folders', graphs)}", f"- {_share('with a ResNet', resnets)}", ""]
    parts.append("| config | backbone | graph against the model |\n|---|---|---|")
    parts += [f"| `{one.config}` | {one.backbone} | {_cell(one)} |" for one in graphs]
    return "\n".join(parts) + "\n"


def _share(title: str, results: Sequence[Result]) -> str:
    count = Counter(one.outcome for one in results)
    total = len(results) - count["needs"]
    share = 100 * count["agrees"] / max(1, total)
    text = f"{title}: {count['agrees']} of {total} agree ({share:.0f} %)"
    if count["needs"]:
        text += f"; {count['needs']} more need another package or a download"
    return text


def _cell(result: Result) -> str:
    text = result.reason.replace("|", "\\|")
    return text if result.outcome in ("refused", "needs") else f"{result.outcome}: {text}"
