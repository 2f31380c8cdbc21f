"""With torch and torchvision alone, the backbone works and the registry says what it needs."""

import subprocess
import sys
from pathlib import Path

import resblock_backbones

BLOCK_ALL_BUT_TORCH = """
import sys
import importlib.abc

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("mmengine", "mmcv", "mmdet", "mmseg", "timm"):
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, Absent())
import importlib.util
real = importlib.util.find_spec

def find_spec(name, package=None):
    try:
        return real(name, package)
    except ModuleNotFoundError:
        return None

importlib.util.find_spec = find_spec
"""


ROOT = Path(resblock_backbones.__file__).parent

#: Adapters that exist inside another library.
NEED_THEIR_LIBRARY = ("adapters/smp.py", "adapters/timm.py")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK_ALL_BUT_TORCH + code], capture_output=True, text=True
    )


def test_features_come_out_without_mmengine():
    done = run(
        "import torch\n"
        "from resblock_backbones import FlexResNet, ResBlock\n"
        "net = FlexResNet(18, width=0.25).eval()\n"
        "print([tuple(f.shape) for f in net(torch.zeros(1, 3, 64, 64))])\n"
        "assert not {'mmengine', 'mmcv', 'mmdet', 'mmseg'} & set(sys.modules)\n"
        "others = {'timm', 'transformers', 'segmentation_models_pytorch', 'lightning'}\n"
        "assert not (others | {'huggingface_hub', 'safetensors', 'pandas'}) & set(sys.modules)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[(1, 16, 16, 16), (1, 32, 8, 8), (1, 64, 4, 4), (1, 128, 2, 2)]"


def test_the_registry_and_unknown_layers_say_that_mmengine_is_missing():
    done = run(
        "import resblock_backbones\n"
        "try:\n    resblock_backbones.BACKBONES\n"
        "except ImportError as error:\n    print(error)\n"
        "try:\n    resblock_backbones.ResBlock(4, 4, conv_cfg='ConvWS')\n"
        "except ValueError as error:\n    print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()
    assert "resblock_backbones[onedl]" in first
    assert second.startswith("conv_cfg: torch has no layer 'ConvWS'")


def test_torchvisions_models_and_features_of_images_need_no_more():
    done = run(
        "import torch\n"
        "from resblock_backbones import FlexResNet\n"
        "from resblock_backbones.data.image_files import find_images\n"
        "from resblock_backbones.features import extract_features\n"
        "from resblock_backbones.weights.choose import flexible_network\n"
        "from resblock_backbones.adapters.torchvision import FlexResNetFPN, fcn\n"
        "backbone = FlexResNetFPN(FlexResNet(18, width=0.25), out_channels=8)\n"
        "print(list(backbone.eval()(torch.zeros(1, 3, 64, 64))))\n"
        "print(flexible_network(18)[0].feature_info.channels())\n"
        "assert not {'mmengine', 'mmcv', 'timm', 'safetensors'} & set(sys.modules)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['0', '1', '2', '3', 'pool']", "[64, 128, 256, 512]"]


def test_every_room_but_openmmlab_is_imported_without_the_mm_packages():
    names = [
        ".".join(["resblock_backbones", *file.relative_to(ROOT).with_suffix("").parts])
        for file in sorted(ROOT.rglob("*.py"))
        if file.relative_to(ROOT).parts[0] != "openmmlab" and file.name != "__init__.py"
        if file.relative_to(ROOT).as_posix() not in NEED_THEIR_LIBRARY
    ]
    done = run(
        f"import importlib\nfor name in {names!r}:\n    importlib.import_module(name)\n"
        "assert not {'mmengine', 'mmcv', 'mmdet', 'mmseg', 'timm'} & set(sys.modules)\n"
    )
    assert done.returncode == 0, done.stderr
