"""A file for other programs computes what the network computes, for any batch and size."""

import importlib.util
import json

import numpy as np
import pytest
import torch
import torchvision

from resblock_backbones import ExportError, FlexResNet, export, fuse
from resblock_backbones.deploy.formats import FACTS_FILE

SUFFIXES = {"onnx": ".onnx", "torchscript": ".pt", "pt2": ".pt2"}
needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs resblock_backbones[export]",
)
FORMATS = [pytest.param("onnx", marks=needs_onnx), "torchscript", "pt2"]
DCN = {"type": "DCNv2", "deform_groups": 1}
NETS = {
    "basic, attention, blur": {
        "depth": 18,
        "attention": "SE",
        "anti_alias": "blur",
        "stage_blocks": (1, 2, 1, 1),
    },
    "bottleneck, dilated, deep stem": {
        "depth": 50,
        "output_stride": 8,
        "deep_stem": True,
        "avg_down": True,
        "stage_blocks": (1, 2, 1, 1),
    },
    "depthwise, separable": {
        "depth": 18,
        "depthwise": True,
        "spatial_separable": True,
        "stage_blocks": (2, 1, 1, 1),
    },
    "standardised weights": {
        "depth": 18,
        "conv_cfg": "ConvWS",
        "norm_cfg": {"type": "GN", "num_groups": 4},
        "stage_blocks": (1, 1, 1, 1),
    },
    "deformable": {"depth": 50, "dcn": DCN, "stage_with_dcn": (False, True), "num_stages": 2},
}


def network(name="basic, attention, blur", **more):
    torch.manual_seed(0)
    options = {"width": 0.125, **NETS[name], **more}
    if "dcn" in options or "conv_cfg" in options:
        pytest.importorskip("mmcv")
    if options.get("num_stages") == 2:
        options |= {"out_indices": (0, 1), "stage_blocks": (1, 2)}
    net = FlexResNet(**options)
    for key, tensor in net.state_dict().items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif key.endswith("running_mean") or "conv_offset" in key:
            tensor.normal_(0, 0.1)
    return net


def opened(file):
    """What others load the file with."""
    if file.suffix == ".pt":
        return torch.jit.load(file)
    if file.suffix == ".pt2":
        return torch.export.load(file).module()
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda x: list(map(torch.from_numpy, session.run(None, {"image": x.numpy()})))


def assert_same(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        size = other.abs().max()
        torch.testing.assert_close(mine / size, other / size, rtol=0, atol=1e-5)


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("name", NETS)
def test_the_file_s_outputs_are_the_network_s(name, to, tmp_path):
    net = network(name)
    file = tmp_path / f"net{SUFFIXES[to]}"
    done = export(net.train(), file, to=to)
    assert done.size == file.stat().st_size
    assert {row.shape[0] for row in done.checked} == {1, 2, 3}
    assert max(max(row.differences) for row in done.checked) < 1e-5
    assert net.training == all(stage.training for stage in net.stages)
    run = opened(file)
    net.eval()
    with torch.no_grad():
        for shape in ((1, 3, 97, 161), (3, 3, 70, 51)):
            image = torch.randn(shape)
            assert_same(run(image), net(image))


@needs_onnx
@pytest.mark.parametrize(
    ("name", "opset"), [("bottleneck, dilated, deep stem", 11), ("attention", 16)]
)
def test_older_versions_of_onnx_are_written(name, opset, tmp_path):
    import onnx

    options = {"attention": "SE", "stage_blocks": (1, 1, 1, 1)}
    net = network(anti_alias=False, **options) if name == "attention" else network(name)
    file = tmp_path / "net.onnx"
    export(net, file, to="onnx", opset=opset)
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    assert [one.version for one in model.opset_import] == [opset]
    image = torch.randn(2, 3, 70, 99)
    with torch.no_grad():
        assert_same(opened(file)(image), net.eval()(image))


@needs_onnx
def test_an_operator_that_an_older_onnx_has_not_is_named(tmp_path):
    with pytest.raises(ExportError, match="opset=16: DeformConv, which .* came later"):
        export(network("deformable"), tmp_path / "net.onnx", to="onnx", opset=16)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("to", FORMATS)
def test_torchvision_s_network_goes_all_the_way(to, tmp_path):
    theirs = torchvision.models.resnet18().eval()
    net = FlexResNet(18, out_indices=(3,))
    net.load_state_dict(theirs.state_dict(), strict=False)
    export(net, tmp_path / f"r18{SUFFIXES[to]}", to=to)
    image = torch.randn(2, 3, 65, 90)
    with torch.no_grad():
        (ours,) = opened(tmp_path / f"r18{SUFFIXES[to]}")(image)
        logits = theirs.fc(ours.mean((2, 3)))
        assert_same([logits], [theirs(image)])


def test_norms_are_folded_unless_they_are_to_stay(tmp_path):
    net = network("depthwise, separable", num_stages=2)
    for fused in (True, False):
        file = tmp_path / f"{fused}.pt2"
        export(net, file, to="pt2", fused=fused)
        names = {str(node.target) for node in torch.export.load(file).graph.nodes}
        assert any("batch_norm" in name for name in names) is not fused
    export(fuse(net), tmp_path / "fused.pt2", to="pt2")
    assert_same(
        *(opened(tmp_path / f"{name}.pt2")(torch.ones(1, 3, 64, 64)) for name in ("True", "fused"))
    )


@pytest.mark.parametrize(("to", "dtype"), [("pt2", torch.float64), ("torchscript", torch.bfloat16)])
def test_other_types_are_written_and_compared_too(to, dtype, tmp_path):
    net = network(num_stages=2)
    net = net.double() if dtype == torch.float64 else fuse(net, dtype)
    done = export(net, tmp_path / f"net{SUFFIXES[to]}", to=to)
    largest = max(max(row.differences) for row in done.checked)
    assert largest < (1e-9 if dtype == torch.float64 else 0.05)


@pytest.mark.parametrize("to", FORMATS)
def test_the_file_tells_names_strides_and_channels(to, tmp_path):
    net = network("depthwise, separable", out_indices=(1, 3), in_channels=1)
    file = tmp_path / f"net{SUFFIXES[to]}"
    export(net, file, to=to)
    if to == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        facts = session.get_modelmeta().custom_metadata_map
        assert facts["channels"] == "16,64" and facts["strides"] == "8,32"
        (image,) = session.get_inputs()
        assert (image.name, image.shape) == ("image", ["batch", 1, "height", "width"])
        assert [out.name for out in session.get_outputs()] == ["stage2", "stage4"]
        assert session.run(None, {"image": np.zeros((1, 1, 64, 64), "f")})[1].shape[1] == 64
        return
    files = {FACTS_FILE: ""}
    if to == "pt2":
        torch.export.load(file, extra_files=files)
    else:
        torch.jit.load(file, _extra_files=files)
    facts = json.loads(files[FACTS_FILE])
    assert facts["outputs"] == ["stage2", "stage4"] and facts["input"] == "image"
    assert facts["channels"] == [16, 64] and facts["strides"] == [8, 32]


@pytest.mark.parametrize("to", FORMATS)
def test_what_differs_from_the_network_is_refused_and_leaves_no_file(to, tmp_path):
    net = network("depthwise, separable", num_stages=2)
    # The number of images becomes a constant when it is written down.
    net.layer1.register_forward_hook(lambda module, args, out: out * int(out.shape[0]))
    file = tmp_path / f"net{SUFFIXES[to]}"
    file.write_bytes(b"another")
    with pytest.raises(ExportError, match="stage1 of an image of .* differs|fails for an image"):
        export(net, file, to=to, replace=True)
    assert file.read_bytes() == b"another" and list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_is_refused(tmp_path):
    net = network(num_stages=2)
    net.layer1.register_forward_hook(
        lambda module, args, out: out if float(out.mean()) > 0 else -out
    )
    with pytest.raises(ExportError, match="to='pt2': the network cannot be written: "):
        export(net, tmp_path / "net.pt2", to="pt2")
    assert not list(tmp_path.iterdir())


def test_wrong_arguments_are_refused_by_name(tmp_path):
    net = network(num_stages=2)
    there = tmp_path / "there.pt2"
    there.touch()
    for error, message, arguments in (
        (ValueError, "to='onx': must be one of .*; did you mean 'onnx'", ("a.onnx", "onx")),
        (ValueError, "must end with .pt, .ts or .torchscript", ("a.pt2", "torchscript")),
        (ValueError, "there.pt2: already exists", (there, "pt2")),
    ):
        with pytest.raises(error, match=message):
            export(net, *arguments)
    with pytest.raises(ValueError, match="opset=20: only ONNX has one"):
        export(net, tmp_path / "a.pt2", to="pt2", opset=20)
    with pytest.raises(TypeError, match="Linear is not a FlexResNet"):
        export(torch.nn.Linear(1, 1), tmp_path / "a.pt2", to="pt2")
    detector = torch.nn.Module()
    detector.backbone = net
    with pytest.raises(TypeError, match=r"export_model\(\) writes .* export\(model.backbone\) its"):
        export(detector, tmp_path / "a.pt2", to="pt2")
    assert list(tmp_path.iterdir()) == [there]


def test_without_onnx_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"onnxruntime: not installed.*\[export\]"):
        export(network(num_stages=2), tmp_path / "a.onnx", to="onnx")
