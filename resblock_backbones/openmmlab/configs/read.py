"""Read a config, with errors that say in one line what is wrong.

MMEngine silently merges `--cfg-options model.backbone.dpeth=34` as a new key, and an error, if any,
does not name the option. Here the option is compared with the keys of the config and the arguments
of the class that it configures.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS

from ...options.errors import ConfigError, InputError
from ..versions.faults import known_fault
from .inherited import refuse_inherited
from .nearest import nearest
from .scopes import import_scope, scope_of
from .signatures import REGISTRIES, class_behind, parameters_of
from .top_level import TOP_LEVEL_KEYS, refuse_misspelt

#: Keys that are never suggested for a misspelt one.
HIDDEN = {"type", "_delete_", "_scope_"}


def read_config(path: str, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and merge the options of the command line into it.

    Args:
        path: the config file.
        options: dotted key -> value, from `--cfg-options`.

    Raises:
        ConfigError: the file does not exist or has an error (with the line), or an option names
            a key that looks misspelt, or the file has such a key at its top.

    >>> read_config("no_configs/faster-rcnn.py")
    Traceback (most recent call last):
        ...
    resblock_backbones.options.errors.ConfigError: no_configs/faster-rcnn.py: there is \
no such folder as no_configs
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(_missing_config(file))
    try:
        cfg = Config.fromfile(path)
    except InputError:
        raise
    except Exception as error:  # a config is a program: anything can go wrong in it
        fault = known_fault(error)
        told = _broken_config(file, error) if fault is None else f"{file}: {fault}"
        raise ConfigError(told) from error
    try:
        _build_lazy(cfg._cfg_dict)
    except ImportError as error:
        raise ConfigError(f"{file}: {_one_line(error)}") from error
    import_scope(scope_of(cfg))
    refuse_misspelt(cfg, file)
    refuse_inherited(cfg, file)
    leaves = dict(_leaves(options or {}))
    for key in leaves:
        _refuse_slips(cfg, key, leaves)
    try:
        cfg.merge_from_dict(dict(options or {}))
    except Exception as error:
        keys = " ".join(f"{key}={value}" for key, value in (options or {}).items())
        raise ConfigError(f"--cfg-options {keys}: {_one_line(error)}") from error
    return cfg


def _build_lazy(part: Any) -> None:
    """Import the classes of a new-style config, whose import MMEngine defers."""
    if isinstance(part, Mapping):
        for inner in part.values():
            _build_lazy(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            _build_lazy(inner)


def _missing_config(file: Path) -> str:
    if not file.parent.is_dir():
        return f"{file}: there is no such folder as {file.parent}"
    if file.is_dir():
        return f"{file}: is a folder, not a config file"
    near = difflib.get_close_matches(file.name, [p.name for p in file.parent.glob("*.py")], n=3)
    return f"{file}: there is no such file" + (f"; near it: {', '.join(near)}" if near else "")


def _broken_config(file: Path, error: BaseException) -> str:
    """The error with file and line of the config, of which MMEngine runs a copy."""
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


def _leaves(options: Mapping[str, Any], parent: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key -> value, also of what is given inside a dict: `backbone=dict(depth=34)`."""
    for key, value in options.items():
        place = f"{parent}{key}"
        if isinstance(value, Mapping) and not value.get("_delete_"):
            yield from _leaves(value, f"{place}.")
        else:
            yield place, value


def _refuse_slips(cfg: Config, key: str, given: Mapping[str, Any]) -> None:
    """Refuse an option whose key does not exist but looks like one that does."""
    node: Any = cfg._cfg_dict
    names = key.split(".")
    for place, name in enumerate(names):
        if isinstance(node, list | tuple):
            if not name.isdigit() or int(name) >= len(node):
                return  # MMEngine's own message names the list and its length
            node = node[int(name)]
        elif not isinstance(node, Mapping):
            return
        elif name in node:
            node = node[name]
        else:
            parents = ".".join(names[:place])
            kind = given.get(f"{parents}.type", node.get("type"))
            _refuse_slip(cfg, key, node, parents, name, kind)
            return


def _refuse_slip(
    cfg: Config, key: str, node: Mapping[str, Any], parents: str, name: str, kind: Any
) -> None:
    scope = scope_of(cfg)
    known, closed = set(TOP_LEVEL_KEYS), False
    if parents:
        known, closed = parameters_of(class_behind(kind, scope, REGISTRIES))
        # What builds hooks, schedulers and optimizers takes some keys for itself.
        closed = closed and class_behind(kind, scope, [MODELS]) is not None
        if parents.rpartition(".")[2].endswith("norm_cfg"):
            known.add("requires_grad")  # a key of MMCV's builder of norms
    if name in known:
        return
    # Definite if the class accepts no other keyword; else only a near miss is refused.
    near = nearest(name, {*map(str, node), *known} - HIDDEN, cutoff=0.6 if closed else 0.8)
    if near or closed:
        told = f" ({_name(kind)})" if kind is not None else ""
        raise ConfigError(
            f"--cfg-options {key}: {parents or 'the config'}{told} has no {name!r}{near}"
        )


def _name(kind: Any) -> str:
    return kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
