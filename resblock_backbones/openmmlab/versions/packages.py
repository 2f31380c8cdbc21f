"""The installed packages, their distributions, and whether the combination was tested.

Two families of packages have the same import names and differ by the names of their distributions:
`mmdet` is installed by `mmdet` or by `onedl-mmdetection`.

Needs none of them, and imports none.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

#: Import names, in the order of who needs whom.
PACKAGES = ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmseg")

_TORCH = {"torch": "2.14.1", "torchvision": "0.29.1"}

#: Name -> distribution -> version: what this project's tests ran on. The first is the default.
TRIED: dict[str, dict[str, str]] = {
    "the maintained packages": _TORCH
    | {
        "onedl-mmengine": "0.10.12",
        "onedl-mmcv": "2.3.6",
        "onedl-mmdetection": "3.5.1",
        "onedl-mmsegmentation": "1.4.2",
    },
    "OpenMMLab's own last releases": _TORCH
    | {
        "mmengine": "0.10.7",
        "mmcv-lite": "2.1.0",
        "mmdet": "3.3.0",
        "mmsegmentation": "1.2.2",
    },
}


@dataclass(frozen=True)
class Package:
    """An import name, with its distribution and version.

    Attributes:
        name: the import name.
        distribution: pip's name; None if it was not installed by pip.
        version: None if it is not installed.
    """

    name: str
    distribution: str | None = None
    version: str | None = None


def find_packages() -> list[Package]:
    """Each of `PACKAGES`, installed or not.

    >>> [package.name for package in find_packages() if package.version][:2]
    ['torch', 'torchvision']
    """
    owners = metadata.packages_distributions()
    return [_find(name, owners.get(name, [])) for name in PACKAGES]


def compare_with_tried(packages: list[Package]) -> tuple[str, list[str]]:
    """The tested combination that is nearest to the installed one, and the differences.

    Args:
        packages: the installed packages.

    Returns:
        Its name, and one line for each package that is missing or has another version.

    >>> compare_with_tried([Package("torch", "torch", "2.14.0")])[1][0]
    'torch 2.14.0 (tried: 2.14.1)'
    """
    installed = {one.distribution: one.version for one in packages if one.distribution}
    differences = {name: _differences(installed, tried) for name, tried in TRIED.items()}
    nearest = min(differences, key=lambda name: len(differences[name]))
    return nearest, differences[nearest]


def _find(name: str, distributions: list[str]) -> Package:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return Package(name)
    for distribution in dict.fromkeys(distributions):
        # Of two families on the path, the one that is imported.
        found = metadata.distribution(distribution)
        if Path(str(found.locate_file(f"{name}/__init__.py"))) == Path(spec.origin):
            return Package(name, distribution, found.version)
    return Package(name, None, "unknown")


def _differences(installed: Mapping[str, str | None], tried: Mapping[str, str]) -> list[str]:
    lines = []
    for distribution, version in tried.items():
        have = installed.get(distribution)
        if have is None:
            lines.append(f"no {distribution} (tried: {version})")
        elif have.split("+")[0] != version:
            lines.append(f"{distribution} {have} (tried: {version})")
    return lines
