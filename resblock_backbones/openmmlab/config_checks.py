"""Read a config for a run, and say in one line what is wrong with it.

MMEngine merges `--cfg-options model.backbone.dpeth=34` silently as a new key, and what then
complains, if anything does, is far from the key that was typed. Here the option is compared with
what the config and the class behind it know.
"""

from __future__ import annotations

import difflib
import inspect
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.runner import Runner

from .errors import ConfigError, InputError

#: Keys that every MMEngine config may have at the top, though few write them all.
TOP_LEVEL_KEYS = frozenset(inspect.signature(Runner).parameters) | {
    "compile",
    "custom_imports",
    "default_scope",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "sync_bn",
    "tta_model",
    "tta_pipeline",
}


def read_config(path: str, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and merge the options of the command line into it.

    Args:
        path: the config file.
        options: dotted key -> value, as `--cfg-options` gives them.

    Raises:
        ConfigError: the file is not there or does not parse (with the line), or an option names
            a key that looks like a slip of the finger.

    >>> read_config("configs/faster-rcnn.py")
    Traceback (most recent call last):
        ...
    resblock_backbones.openmmlab.errors.ConfigError: configs/faster-rcnn.py: there is no such \
folder as configs/...
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(_missing_config(file))
    try:
        cfg = Config.fromfile(path)
    except InputError:
        raise
    except Exception as error:  # a config is a program: anything can go wrong in it
        raise ConfigError(_broken_config(file, error)) from error
    for key in options or {}:
        _refuse_slips(cfg, key)
    try:
        cfg.merge_from_dict(dict(options or {}))
    except Exception as error:
        keys = " ".join(f"{key}={value}" for key, value in (options or {}).items())
        raise ConfigError(f"--cfg-options {keys}: {_one_line(error)}") from error
    return cfg


def check_backbone(model: Mapping[str, Any], key: str = "model") -> None:
    """Refuse a `FlexResNet` with an option that it does not have.

    Args:
        model: the config's `model`, or a model wrapped in another.
        key: where it stands in the config, for the message.

    Raises:
        ConfigError: names the config key, and the nearest option.

    >>> check_backbone({"backbone": {"type": "FlexResNet", "dpeth": 34}})
    Traceback (most recent call last):
        ...
    resblock_backbones.openmmlab.errors.ConfigError: model.backbone.dpeth: FlexResNet has no \
option 'dpeth'; did you mean 'depth'?
    """
    for name, part in model.items():
        if not isinstance(part, Mapping):
            continue
        here = f"{key}.{name}"
        if name == "backbone" and part.get("type") in ("FlexResNet", "mmdet.FlexResNet"):
            known = _parameters(part)
            for option in part:
                if known and option not in known:
                    raise ConfigError(
                        f"{here}.{option}: FlexResNet has no option {option!r}"
                        f"{nearest(option, known)}"
                    )
        elif "backbone" in part:
            check_backbone(part, here)


def nearest(
    name: str, names: Sequence[str] | frozenset[str] | set[str], cutoff: float = 0.6
) -> str:
    """`; did you mean 'depth'?`, or nothing where no name is near.

    >>> nearest("dpeth", ["depth", "width"])
    "; did you mean 'depth'?"
    >>> nearest("zzz", ["depth", "width"])
    ''
    """
    found = difflib.get_close_matches(str(name), [str(n) for n in names], n=1, cutoff=cutoff)
    return f"; did you mean {found[0]!r}?" if found else ""


def _missing_config(file: Path) -> str:
    if not file.parent.is_dir():
        return f"{file}: there is no such folder as {file.parent}"
    if file.is_dir():
        return f"{file}: this is a folder, a config file is wanted"
    near = difflib.get_close_matches(file.name, [p.name for p in file.parent.glob("*.py")], n=3)
    return f"{file}: there is no such file" + (f"; near it: {', '.join(near)}" if near else "")


def _broken_config(file: Path, error: BaseException) -> str:
    """Say which line of which config is wrong, though MMEngine runs a copy of it."""
    syntax = error if isinstance(error, SyntaxError) else error.__context__
    if isinstance(syntax, SyntaxError) and syntax.lineno:
        return f"{file}, line {syntax.lineno}: {syntax.msg}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == "<string>" or Path(frame.filename).suffix == ".py" == file.suffix
        if frame.name == "<module>" and "mmengine" not in Path(frame.filename).parts
    ]
    where = f"{file}, line {lines[-1]}" if lines else f"{file}"
    return f"{where}: {type(error).__name__}: {_one_line(error)}"


def _refuse_slips(cfg: Config, key: str) -> None:
    """Refuse an option whose key does not exist but looks like one that does."""
    node: Any = cfg._cfg_dict
    *parents, last = key.split(".")
    for depth, name in enumerate([*parents, last]):
        if isinstance(node, Sequence) and not isinstance(node, str):
            if not name.lstrip("-").isdigit() or int(name) >= len(node):
                return  # MMEngine's own message names the list and its length
            node = node[int(name)]
            continue
        if not isinstance(node, Mapping):
            return
        if name not in node:
            known = _parameters(node) if depth else set(TOP_LEVEL_KEYS)
            if name in known or name in ("type", "_delete_", "_scope_"):
                return
            # A class that takes no other keywords settles it; else only near misses are refused.
            near = nearest(name, {*node, *known}, cutoff=0.6 if known and depth else 0.8)
            if near or (known and depth):
                parent = ".".join([*parents, last][:depth])
                owner = f"{parent} ({node['type']})" if "type" in node else parent or "the config"
                raise ConfigError(f"--cfg-options {key}: {owner} has no {name!r}{near}")
            return
        node = node[name]


def _parameters(node: Mapping[str, Any]) -> set[str]:
    """What the class behind `type` takes; empty when it is unknown or takes any keyword."""
    kind = node.get("type")
    built = MODELS.get(kind) if isinstance(kind, str) else kind
    if not inspect.isclass(built):
        return set()
    names: set[str] = {"type"}
    for owner in built.__mro__:
        if "__init__" not in vars(owner):
            continue
        parameters = inspect.signature(owner).parameters.values()
        names.update(
            p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        )
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names
    return set()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
