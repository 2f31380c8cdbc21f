"""The backbones side by side: the smallest run, its page, and that it goes on where it was."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytest.importorskip("mmdet")
pytest.importorskip("timm")


@pytest.fixture(scope="module")
def modules():
    """The modules of the benchmark, which is no package."""
    sys.path.insert(0, str(BENCHMARKS))
    import backbone_measure
    import backbone_peers
    import backbone_sections
    import backbone_table
    import backbones

    yield backbone_sections, backbone_table, backbone_measure, backbone_peers, backbones
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def run(modules, tmp_path, monkeypatch, capfd):
    """Run the tool; gives exit status and what it said on the way."""

    def main(*arguments):
        command = ["backbones.py", "--quick", "--threads", "1", "--results", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", [*command, *arguments])
        status = modules[-1].main()
        return status, capfd.readouterr().err

    return main


def test_a_run_writes_tables_and_plots_and_goes_on_where_it_was(run, tmp_path):
    only = ("--only", "training-sizes", "inference-18")
    assert run(*only)[0] == 0
    folder = tmp_path / "cpu-quick"
    page = (folder / "page.md").read_text()
    assert page.count("<!-- backbones cpu -->") == page.count("<!-- /backbones cuda -->") == 1
    measured = page.partition("### Inference, ResNet-18, 1x3x64x64")[2].partition("###")[0]
    rows = [line for line in measured.splitlines() if line.startswith("|")]
    assert rows[0] == "| variant | ms | quartiles | speed-up | throughput, images/s |"
    assert len({row.count("|") for row in rows}) == 1 and rows[2].startswith("| torchvision |")
    assert "| FlexResNet, fused, bfloat16 |" in measured and "unmeasured" not in measured
    gpu = page.partition("<!-- backbones cuda -->")[2]
    assert gpu.count("| unmeasured |") == gpu.count("| FlexResNet") + gpu.count(
        "| MMDetection"
    ) + gpu.count("| torchvision") + gpu.count("| timm")
    for plot in ("inference-depths", "training-growth"):
        assert (folder / f"benchmarks-cpu-{plot}.png").stat().st_size > 10_000
        assert f"(benchmarks-cpu-{plot}.png)" in page
    assert str(tmp_path) not in page

    (folder / "training-sizes.json").write_text('{"cut o')
    status, said = run(*only)
    assert status == 0 and "training-sizes: done" in said
    assert "inference-18: measured before" in said
    assert measured in (folder / "page.md").read_text()


@pytest.mark.slow
def test_engines_are_compared_with_the_best_of_them(run, modules, tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("openvino")
    assert run("--only", "engines-18")[0] == 0
    page = (tmp_path / "cpu-quick/page.md").read_text()
    measured = page.partition("### Inference, ResNet-18: engines")[2].partition("###")[0]
    rows = [line.split(" | ") for line in measured.splitlines() if line.startswith("| ")]
    names = [row[0].removeprefix("| ") for row in rows[1:]]
    assert names[-4:] == ["ONNX Runtime", "OpenVINO", "FlexResNet", "FlexResNet, fused"]
    for column in (1, 2):
        shares = {name: row[column] for name, row in zip(names, rows[1:], strict=True)}
        assert any("(1.00)" in shares[name] for name in ("ONNX Runtime", "OpenVINO"))


def test_sections_of_another_processor_stand_beside_the_others(run, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- backbones cpu -->\nold\n<!-- /backbones cpu -->\n")
    named = ("--only", "training-18-small", "--name", "a processor", "--write", str(page))
    assert run(*named)[0] == 0
    text = page.read_text()
    assert "old" in text and text.count("## Backbones on the CPU: a processor") == 1
    assert "| FlexResNet, channels_last=True |" in text and "unmeasured" not in text


def test_the_share_of_an_engine_is_that_of_the_fastest(modules):
    sections, table, _, _, _ = modules
    names = ("torchvision", "ONNX Runtime", "OpenVINO", "FlexResNet, fused")
    section = sections.Section(
        "a", "A", "engines inference", 18, ((1, 3, 8, 8), (2, 3, 8, 8)), names, 2
    )
    seconds = {"torchvision": (1, 1), "ONNX Runtime": (3, 5), "OpenVINO": (4, 4)}
    seconds["FlexResNet, fused"] = (2, 8)
    record = {
        name: [{"seconds": [float(value)] * 2} for value in values]
        for name, values in seconds.items()
    }
    lines = list(table.table(section, record))
    assert "| ONNX Runtime | 3,000 (1.00) | 5,000 (0.80) |" in lines
    assert "| FlexResNet, fused | 2,000 (1.50) | 8,000 (0.50) |" in lines


def test_saved_activations_are_those_of_a_formula(modules):
    """A convolution saves its input; a norm in train mode saves its input and two vectors."""
    import torch
    from torch import nn

    _, _, measure, peers, _ = modules
    net = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8))
    x = torch.randn(2, 4, 16, 16)
    numbers = x.numel() + 2 * 8 * 16 * 16 + 2 * 8
    saved = measure.saved_activations(peers.Way("it", net, False, False), x) * 2**20
    assert numbers * 4 <= saved <= (numbers + 2 * 8) * 4  # running statistics are saved too


@pytest.mark.slow
def test_every_way_of_every_table_computes_the_same_network(modules):
    import torch

    sections, _, measure, peers, _ = modules
    for device in ("cpu", "cuda"):
        for section in sections.plan(device, quick=True, rounds=2):
            if section.table == "detector" or section.grows:
                continue
            ways = [
                peers.make(section.table, name, section.depth, torch.device("cpu"))
                for name in section.names
            ]
            step = measure.train if section.learns else measure.infer
            x = torch.randn(2, 3, 64, 64)
            outputs = [step(way, way.input(x), section.autocast) for way in ways]
            measure.check_same(ways, outputs)
            with torch.no_grad():
                broken = [output * (1.5 if i == 1 else 1) for i, output in enumerate(outputs[-1])]
            with pytest.raises(RuntimeError, match="stage 2 differs"):
                measure.check_same(ways, [*outputs[:-1], broken])


def test_numbers_of_the_table(modules):
    sections, table, _, _, _ = modules
    section = sections.Section(
        "a", "A", "training", 18, ((1, 3, 10, 10), (1, 3, 20, 20)), ("one", "two"), 3
    )
    rows = [
        {"seconds": [1.0, 2.0, 3.0], "saved_activations": 10.0},
        {"seconds": [4.0, 8.0, 12.0], "saved_activations": 20.0},
    ]
    lines = list(table.table(section, {"one": rows, "two": rows[:1] * 2}))
    assert "| one | 2,000 | 8,000 | 1.00 |" in lines and "| one | 10 | 20 | 0.50 |" in lines
    assert "| two | 2,000 | 2,000 | 0.00 |" in lines
    # Of runs that followed each other, not of the two medians.
    assert table.times_faster([1.0, 10.0, 4.0], [1.0, 5.0, 2.0]) == 2.0


def test_sections_between_markers_are_replaced_and_others_stay(modules, tmp_path):
    import page

    file = tmp_path / "page.md"
    file.write_text("# Benchmarks\n\nmine\n")
    for name, line in (("cpu", "old"), ("cuda", "gpu"), ("cpu", "new")):
        page.put_section(file, name, [line])
    text = file.read_text()
    assert "old" not in text and text.index("mine") < text.index("new") < text.index("gpu")
    assert page.has_section(file, "cuda") and not page.has_section(file, "other")


def test_a_section_that_is_not_there_is_one_line(run):
    status, said = run("--only", "inference-19")
    assert status == 2 and len(said.strip().splitlines()) == 1
    assert said.startswith("error: --only inference-19: choose from inference-18,")


@pytest.mark.slow
def test_the_memory_of_a_step_is_asked_in_a_process_of_its_own(modules):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs Linux")
    import backbone_peak

    peak = backbone_peak.cpu_peak("norms", "torchvision", 18, (1, 3, 256, 256))
    parameters = 11.2e6 * 4 / 2**20
    # Gradients of the parameters, and maps: more than those alone, less than ten times as much.
    assert parameters < peak < 10 * parameters
