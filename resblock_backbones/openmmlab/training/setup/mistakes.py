"""Mistakes in a config that MMEngine meets when it builds a part, told in one line."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from mmengine.registry import DefaultScope, Registry

from ....options.errors import ConfigError, InputError
from ...configs.nearest import nearest
from ...configs.signatures import REGISTRIES, class_behind, parameters_of

Method = TypeVar("Method", bound=Callable[..., Any])

#: What a class raises that is built with wrong arguments, and a registry without a name.
MISTAKES = (
    *(TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError),
    *(ImportError, NotImplementedError, FileNotFoundError),
)


def built_from(place: str) -> Callable[[Method], Method]:
    """Decorate a method of a runner that builds the part of a config that is called `place`."""

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def build(*args: Any, **kwargs: Any) -> Any:
            with told_in_one_line(place):
                return method(*args, **kwargs)

        return build  # type: ignore[return-value]

    return decorate


@contextmanager
def told_in_one_line(place: str) -> Iterator[None]:
    """Turn what building a part of a config raises into a `ConfigError` that names the part.

    >>> with told_in_one_line("train_cfg"):
    ...     dict(by_epoch=True)["type"]
    Traceback (most recent call last):
        ...
    resblock_backbones.options.errors.ConfigError: train_cfg: there is no 'type'
    """
    try:
        yield
    except InputError:
        raise
    except MISTAKES as error:
        raise ConfigError(f"{place}: {reason_of(error)}") from error


def reason_of(error: BaseException) -> str:
    """What an exception of MMEngine's registries says, with the nearest name that there is.

    >>> reason_of(KeyError("Dice is not in the mmdet::model registry. Please check whether ..."))
    'there is no Dice in the registry mmdet::model'
    """
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])
        if " " not in text.strip():
            return f"there is no {text!r}"
    else:
        text = str(error)
    # MMEngine puts the class and its file before what the class said.
    text = re.sub(r"^(class `[^`]+` in \S+: )+", "", " ".join(text.split()))
    name = re.match(r"(\S+) is not in the (.+?) registry", text)
    if name is not None:
        return f"there is no {name[1]} in the registry {name[2]}{nearest_class(name[1])}"
    argument = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", text)
    if argument is not None:
        return _unknown_argument(argument[1], argument[2])
    return (text if len(text) < 400 else f"{text[:300]} ...") or type(error).__name__


def _unknown_argument(kind: str, name: str) -> str:
    scope = DefaultScope.get_current_instance()
    built = class_behind(kind, scope.scope_name if scope else None, REGISTRIES)
    known = sorted(parameters_of(built)[0] - {"type", "_delete_", "_scope_", "self"} - GIVEN)
    told = f"; it has {', '.join(known)}" if known else ""
    return f"{kind} has no argument {name!r}{nearest(name, known, cutoff=0.75) or told}"


#: Arguments that the runner gives itself.
GIVEN = {"runner", "dataloader", "evaluator", "params", "optimizer"}


def nearest_class(name: str) -> str:
    """A hint at the registered class with the nearest name; empty if none is near."""
    names = {known for root in REGISTRIES for known in _names_in(root)}
    return nearest(name.rpartition(".")[2], names, cutoff=0.8)


def _names_in(registry: Registry) -> Iterator[str]:
    yield from registry.module_dict
    for child in registry.children.values():
        yield from _names_in(child)
