"""Code that pages only show, as it needs files, downloads or a server: run here with stand-ins.

Files that a reader has are made in an empty folder, downloads are files of random weights, and
ResNet-18 stands for ResNet-50.
"""

import json
import re
import sys
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_page_code import PAGES, ROOT, empty_folder  # noqa: F401

from resblock_backbones import FlexResNet
from resblock_backbones.commands.front import main
from resblock_backbones.deploy.models.compare import example_images
from resblock_backbones.weights.convert import convert_checkpoint

FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: What a page says, and its stand-in.
SMALL = {
    "FlexResNet(50": "FlexResNet(18",
    '"torchvision://resnet50"': '"r18.pth"',
    '"timm://resnetrs50.tf_in1k"': '"r18.pth"',
    '"r50.pth"': '"r18.pth"',
}
RUN_HERE = {
    "adapters.md",
    "compatibility.md",
    "deploy.md",
    "package.md",
    "predict.md",
    "training.md",
    "weights.md",
    "tutorials/retrieval.md",
}
#: Of these tests/test_wheel.py runs the one block, which is a config.
RUN_ELSEWHERE = {"data.md"}


def blocks(name: str, *languages: str) -> list[str]:
    """The blocks of a page in some languages, with the stand-ins."""
    text = (ROOT / "docs" / name).read_text()
    for old, new in SMALL.items():
        text = text.replace(old, new)
    return [block for language, block in FENCED.findall(text) if language in languages]


def run(*codes: str, **names: object) -> dict[str, object]:
    names["__name__"] = "page"
    for code in codes:
        exec(compile(code, "page", "exec"), names)
    return names


def test_every_block_that_is_only_shown_is_run_here_or_is_a_config():
    with_blocks = {
        page.relative_to(ROOT / "docs").as_posix()
        for page in PAGES
        if any(language == "py" for language, _ in FENCED.findall(page.read_text()))
    }
    assert with_blocks <= RUN_HERE | RUN_ELSEWHERE


@pytest.fixture
def weights(empty_folder):  # noqa: F811
    """Files of random weights by the names that the pages give them."""
    net = FlexResNet(18)
    torch.save(net.state_dict(), "r18.pth")
    inside = {f"backbone.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": inside, "meta": {}}, "mask_rcnn.pth")
    convert_checkpoint("r18.pth", "R-50.pkl", "detectron2")
    torch.save(FlexResNet(18, in_channels=13).state_dict(), "sentinel2_resnet50.pth")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_code_about_weights_runs(weights):
    names = run(*blocks("weights.md", "py", "python"))
    assert names["net"].out_channels == (64, 128, 256, 512)
    assert not names["report"].missing


@pytest.mark.parametrize("name", ["adapters.md", "package.md"])
def test_the_code_that_begins_a_page_runs(weights, name):
    first = blocks(name, "py", "python")[0]
    names = run(first)
    assert [map.shape[1] for map in names["features"]] == [128, 256, 512]


def test_each_backbone_of_the_readme_can_be_built():
    found = FENCED.findall((ROOT / "README.md").read_text())
    lines = "".join(text for kind, text in found if kind == "python").splitlines()
    assert len(lines) > 3
    for line in lines:
        options = run(line)["backbone"]
        assert options.pop("type") == "FlexResNet"
        assert len(FlexResNet.plan_of(**options).out_channels) == 4


@pytest.mark.parametrize("name", ["training.md", "compatibility.md", "package.md"])
def test_parts_of_configs_are_python_that_mmengine_reads(empty_folder, name):  # noqa: F811
    config = pytest.importorskip("mmengine.config")
    parts = [one for one in blocks(name, "py", "python") if re.search(r"^\w+ = dict\(", one, re.M)]
    assert parts
    for part in parts:
        Path("part.py").write_text(re.sub("^_base_.*", "", part))
        assert len(config.Config.fromfile("part.py", lazy_import=False)) > 0


@pytest.fixture
def photos(weights):
    """Six images of as many shades of grey in one folder."""
    Path("photos").mkdir()
    for number in range(6):
        grey = np.full((32, 32, 3), 40 * number, np.uint8)
        Image.fromarray(grey).save(f"photos/{number}.png")


def test_the_nearest_images_by_their_features(photos):
    assert main(["features", "photos", "--weights", "r18.pth", "--out", "features"]) == 0
    (code,) = blocks("tutorials/retrieval.md", "py")
    nearest = run(code)["nearest"]
    assert nearest[0] == 0 and sorted(nearest) == list(range(6))


def test_the_nearest_boxes_by_their_features(photos):
    images = [{"id": one, "file_name": f"{one}.png"} for one in range(6)]
    box = {"category_id": 1, "bbox": [4, 4, 20, 20]}
    boxes = [box | {"id": one, "image_id": one} for one in range(6)]
    Path("boxes.json").write_text(json.dumps({"images": images, "annotations": boxes}))
    given = ["--weights", "r18.pth", "--boxes", "boxes.json", "--out", "vectors"]
    assert main(["features", "photos", *given]) == 0
    (code,) = blocks("predict.md", "py")
    names = run(code)
    assert names["index"].shape == (6, 512)
    assert names["nearest"][0] == 0 and sorted(names["nearest"].tolist()) == list(range(6))


@pytest.fixture
def exported(empty_folder, monkeypatch):  # noqa: F811
    """A small detector, and two images, by the names of docs/deploy.md."""
    for library in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library)
    from torchvision.models.detection import FasterRCNN

    from resblock_backbones.adapters.torchvision import FlexResNetFPN

    torch.manual_seed(0)
    backbone = FlexResNetFPN(FlexResNet(18, width=0.125), out_channels=32)
    detector = FasterRCNN(backbone, num_classes=4, box_score_thresh=0.3, rpn_post_nms_top_n_test=20)
    # Of random weights all scores are nearly the same, and rounding decides which are kept; on a
    # black image they are the same.
    with torch.no_grad():
        detector.rpn.head.cls_logits.weight.mul_(100)
        detector.roi_heads.box_predictor.cls_score.weight.mul_(20)
    monkeypatch.setattr(
        sys.modules["resblock_backbones.deploy.models.export_model"],
        "example_images",
        lambda divisor: example_images(divisor)[:2],
    )
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(noise).save(name)
    return detector.eval()


@pytest.mark.slow
def test_the_code_about_exported_models_runs(exported):
    export, predict, server, openvino = blocks("deploy.md", "py")
    assert str(run(export, detector=exported)["done"]).count("|") > 8
    image = Image.open("a.jpg")
    predictor = run(predict, image=image)["predictor"]
    assert len(predictor("a.jpg")) == 1
    answer_one_request(server)
    pytest.importorskip("openvino")
    found = run(openvino, images=np.asarray(image, np.float32).transpose(2, 0, 1)[None])
    assert found["boxes"].shape[-1] == 4 and found["count"].shape == (1,)


def answer_one_request(code: str) -> None:
    """Run the server of the page on a free port for one request, sent as its comment says."""
    server_code, times = re.subn(
        r'HTTPServer\(\(""\, 8000\), Detect\)\.serve_forever\(\)',
        'server = HTTPServer(("127.0.0.1", 0), Detect)',
        code,
    )
    assert times == 1
    server = run(server_code)["server"]
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    request = urllib.request.Request(address, data=Path("a.jpg").read_bytes(), method="POST")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        assert isinstance(json.loads(answer.read()), list)
    thread.join()
    server.server_close()
