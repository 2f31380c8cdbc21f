"""Doctests of an adapter need its library, which may not be installed."""

from importlib.util import find_spec

ADAPTERS = {"smp": "segmentation_models_pytorch", "timm": "timm", "transformers": "transformers"}

collect_ignore = [
    f"resblock_backbones/adapters/{name}.py"
    for name, library in ADAPTERS.items()
    if find_spec(library) is None
]
