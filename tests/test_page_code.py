"""The code of the site's pages runs: block after block, as someone who copies it would.

A page runs in an empty folder. Blocks marked `python` and `sh` are run; those marked `py` and
`bash` name files of the reader's, download, or never end: test_shown_code.py and
test_page_commands.py have them.
"""

import json
import re
import shlex
import sys
import threading
from http.server import HTTPServer
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import torch
from PIL import Image

from resblock_backbones.commands.front import main

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
PAGES = sorted(ROOT.glob("docs/**/*.md"))
NEEDS = re.compile(r"^# needs: (\w+)", re.MULTILINE)
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)

#: A block of Python, and what it prints right behind it.
WITH_OUTPUT = re.compile(
    r"^```python\n((?:(?!```)[^\n]*\n)*)```\n\n```text\n(.*?)^```", re.MULTILINE | re.DOTALL
)


def commands(text: str) -> list[tuple[list[str], int]]:
    """The words of each command of a block, without comments, and the status that it ends with."""
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (words, 2 if "# exit status 2" in line else 0)
        for line in lines
        if (words := shlex.split(line, comments=True))
    ]


def run_page(page: Path, replaced: dict[str, str] | None = None) -> dict[str, object]:
    """Run all blocks of a page in this folder; gives what its Python has defined.

    Some of its text may be replaced, so that a training is short.
    """
    names: dict[str, object] = {"__name__": "page"}
    whole = page.read_text()
    for old, new in (replaced or {}).items():
        whole = whole.replace(old, new)
    for language, text in BLOCK.findall(whole):
        if not all(map(find_spec, NEEDS.findall(text))):
            continue
        if language == "python":
            exec(compile(text, page.name, "exec"), names)
        for words, status in commands(text) if language == "sh" else ():
            assert main(words[1:]) == status, " ".join(words)
    return names


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """The working folder, with the checkout's configs and tools in it, and an empty cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for folder in ("configs", "tools"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    return tmp_path


def test_blocks_of_a_shell_hold_our_command_alone():
    for page in PAGES:
        for language, text in BLOCK.findall(page.read_text()):
            if language == "sh":
                assert {words[0] for words, _ in commands(text)} == {"resblock"}, f"{page}: {text}"


#: Networks of detectors that a page only builds, and smaller ones: below 2 GiB.
SMALLER = {
    "FlexResNet(50, norm_eval=False)": "FlexResNet(18, norm_eval=False)",
    "FlexResNet(50, out_indices=(1, 2, 3)), extra": "FlexResNet(18, out_indices=(1, 2, 3)), extra",
}
PLAIN = ["index.md", "options.md", "adapters.md", "operators.md", "loading.md"]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", PLAIN)
def test_the_code_of_a_page_runs_and_prints_what_is_shown_behind_it(empty_folder, name, capsys):
    page = ROOT / "docs" / name
    run_page(page, SMALLER)
    printed = capsys.readouterr().out
    for _, text in WITH_OUTPUT.findall(page.read_text()):
        assert text in printed


def test_the_code_of_the_page_about_export_runs(empty_folder):
    for library in ("mmdet", "onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library)
    names = run_page(ROOT / "docs/deploy.md")
    written = {file.name for file in Path().iterdir()}
    assert {"r18.pt2", "backbone.pt", "backbone.pt2", "backbone.onnx"} <= written
    assert [map.shape[1] for map in names["maps"]] == [64, 128, 256, 512]
    assert [tuple(feature.shape[2:]) for feature in names["features"]] == [
        (224 // stride, 224 // stride) for stride in (4, 8, 16, 32)
    ]


def detector():
    """A small one of torchvision's, with random weights that tell images apart."""
    from spread_weights import spread_weights
    from torchvision.models.detection import FCOS

    from resblock_backbones import FlexResNet
    from resblock_backbones.adapters.torchvision import FlexResNetFPN

    torch.manual_seed(0)
    body = FlexResNetFPN(FlexResNet(18, width=0.125), out_channels=32)
    model = FCOS(body, num_classes=4, score_thresh=0.1).eval()
    spread_weights(model, lambda: model([torch.rand(3, 90, 120)]))
    return model


@pytest.mark.slow
def test_the_programs_that_run_an_exported_model_run(empty_folder, monkeypatch):
    for library in ("onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(library)
    text = (ROOT / "docs/deploy.md").read_text()
    blocks = re.findall(r"^```py\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    written, asked, server, openvino = (
        next(one for one in blocks if word in one)
        for word in ("export_model(", "Predictor(", "HTTPServer(", "openvino")
    )
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(pixels).save(name)
    images = np.array(Image.open("a.jpg").convert("RGB"))
    names = {"detector": detector(), "image": images}
    exec(written, names)
    exec(asked.replace("score_threshold=0.3", "score_threshold=0"), names)
    assert len(names["prediction"]) > 0

    def serve_one(self):
        thread = threading.Thread(target=self.handle_request)
        thread.start()
        data = Path("a.jpg").read_bytes()
        with urlopen(f"http://localhost:{self.server_port}", data=data, timeout=60) as answer:
            names["answer"] = json.load(answer)
        thread.join()
        self.server_close()

    monkeypatch.setattr(HTTPServer, "serve_forever", serve_one)
    exec(server.replace("8000)", "0)").replace('"model.onnx"', '"model.onnx", score_threshold=0'),
         names)  # fmt: skip
    assert {"bbox", "score", "category_id"} <= names["answer"][0].keys()

    # OpenVINO finds what the session of ONNX Runtime does, in the same order.
    names["images"] = images.transpose(2, 0, 1)[None].astype(np.float32)
    exec(openvino, names)
    session = onnxruntime_session("model.onnx")
    for ours, theirs in zip(
        [names[key] for key in ("boxes", "scores", "labels", "count")],
        session.run(["boxes", "scores", "labels", "num_detections"], {"images": names["images"]}),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-2)
    assert names["count"][0] > 0


def onnxruntime_session(file):
    import onnxruntime

    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
