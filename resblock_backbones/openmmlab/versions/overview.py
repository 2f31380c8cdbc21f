"""What `resblock doctor` prints: what is installed, whether it is whole, and the cure if not."""

from __future__ import annotations

import contextlib
import importlib.util
from importlib import metadata

from ...console.table import text_table
from ...version import __version__
from .faults import find_faults, opencv_packages
from .machine import machine_facts
from .operator_sources import MISSING, OperatorSources, find_operator_sources
from .packages import Package, compare_with_tried, find_packages
from .startup_hook import hook_file

#: Extra -> what it brings, by import name, beside the MM packages.
EXTRAS = {
    "weights": ("timm", "safetensors"),
    "export": ("onnx", "onnxscript", "onnxruntime"),
}


def print_overview(*, all_operators: bool = False) -> int:
    """Print the page.

    Args:
        all_operators: list each of MMCV's operators with its source, not only what is missing.

    Returns:
        0 where MMEngine and MMCV with operators are there and nothing is broken, else 1.
    """
    packages = find_packages()
    faults = find_faults()
    print(text_table([("resblock_backbones", __version__), *machine_facts()]), end="\n\n")
    _print_packages(packages)
    missing = [one.name for one in packages if one.version is None]
    sources = find_operator_sources()
    if "mmcv" not in missing:
        _print_operators(sources, all_operators)
        if hook_file().is_file():
            print(f"start-up hook: {hook_file()}\n")
    for extra, names in EXTRAS.items():
        absent = [name for name in names if importlib.util.find_spec(name) is None]
        if absent:
            print(
                f"{', '.join(absent)}: not installed; "
                f"pip install 'resblock_backbones[{extra}]' brings what {extra} needs"
            )
    if missing:
        print(
            f"{', '.join(missing)}: not installed; pip install 'resblock_backbones[onedl]' brings "
            "MMEngine, MMCV, MMDetection and MMSegmentation"
        )
    if len(opencv_packages()) > 1:
        print(
            f"{' and '.join(opencv_packages())} share the folder cv2: uninstalling one breaks the "
            "other; keep one"
        )
    for fault in faults:
        print(f"\nfault: {fault.what}\n cure: {fault.cure}")
    if not faults and not missing:
        print("no faults found")
    usable = sources.usable and not {"mmengine", "mmcv"} & set(missing)
    return 0 if usable and not faults else 1


def _print_packages(packages: list[Package]) -> None:
    head = ("package", "version", "distribution")
    rows = [(one.name, one.version or "-", one.distribution or "-") for one in packages]
    rows += [(name, version, name) for name, version in _others().items()]
    print(text_table([head, *rows]), end="\n\n")
    if not any(one.name == "mmengine" and one.version for one in packages):
        return
    nearest, differences = compare_with_tried(packages)
    if differences:
        print(f"not tested together; nearest to {nearest}, but: {'; '.join(differences)}\n")
    else:
        print(f"tested together: {nearest}\n")


def _others() -> dict[str, str]:
    """Distributions that the others stand on, where pip knows them."""
    found = opencv_packages()
    for name in ("numpy", "setuptools"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _print_operators(sources: OperatorSources, all_of_them: bool) -> None:
    total = sum(len(names) for _, _, names in sources.rows)
    absent = [name for _, source, names in sources.rows if source == MISSING for name in names]
    print(f"MMCV has {sources.summary}")
    hint = "" if all_of_them else " (--operators lists them)"
    print(f"{total - len(absent)} of {total} operators are there{hint}")
    print()
    if all_of_them:
        rows = [(file, source, ", ".join(names)) for file, source, names in sources.rows]
        print(text_table([("mmcv.ops", "from", "operators"), *rows]), end="\n\n")
