"""Checks of options, with messages that name the option, its value and what would work."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def nearest(name: str, known: Collection[str]) -> str:
    """A hint at the known name closest to ``name``, ready to be appended to a message.

    >>> nearest("dialtion", ["dilation", "stride"])
    "; did you mean 'dilation'?"
    >>> nearest("xyz", ["dilation", "stride"])
    ''
    """
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower_case), n=1)
    return f"; did you mean '{by_lower_case[close[0]]}'?" if close else ""


def refuse_unknown(owner: str, names: Iterable[str], known: Collection[str]) -> None:
    """Answer an unknown name with the nearest known one.

    >>> refuse_unknown("ResBlock", ["dialtion"], ["dilation", "stride"])
    Traceback (most recent call last):
        ...
    TypeError: ResBlock has no option 'dialtion'; did you mean 'dilation'?
    """
    for name in names:
        if name not in known:
            raise TypeError(f"{owner} has no option '{name}'{nearest(name, known)}")


def refuse_unknown_options(init: F) -> F:
    """Decorate an ``__init__`` so that an unknown keyword raises with the nearest known one.

    Raises:
        TypeError: names the unknown option; raised in place of Python's own error.
    """
    known = [name for name in inspect.signature(init).parameters if name != "self"]
    owner = init.__qualname__.split(".")[0]

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        refuse_unknown(owner, kwargs, known)
        init(self, *args, **kwargs)

    return checked  # type: ignore[return-value]


def check_int(name: str, value: Any, minimum: int = 1, maximum: int | None = None) -> int:
    """``value`` if it is an integer within the limits.

    >>> check_int("stride", 0)
    Traceback (most recent call last):
        ...
    ValueError: stride=0: must be an integer, at least 1
    """
    limits = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    wrong_type = isinstance(value, bool) or not isinstance(value, int)
    if wrong_type or value < minimum or (maximum is not None and value > maximum):
        error = TypeError if wrong_type else ValueError
        raise error(f"{name}={value!r}: must be an integer, {limits}")
    return value


def check_bool(name: str, value: Any) -> bool:
    """``value`` if it is a bool.

    >>> check_bool("depthwise", "yes")
    Traceback (most recent call last):
        ...
    TypeError: depthwise='yes': must be True or False
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: must be True or False")
    return value


def check_number(name: str, value: Any, low: float, high: float, low_open: bool = False) -> float:
    """``value`` if it is a number in ``[low, high]``, or in ``(low, high]`` with ``low_open``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}={value!r}: must be a number")
    if not (low < value if low_open else low <= value) or value > high:
        bracket = "(" if low_open else "["
        raise ValueError(f"{name}={value!r}: must lie in {bracket}{low:g}, {high:g}]")
    return value


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """``value`` if it is one of ``choices``.

    >>> check_choice("style", "cafe", ["pytorch", "caffe"])
    Traceback (most recent call last):
        ...
    ValueError: style='cafe': must be one of 'pytorch', 'caffe'; did you mean 'caffe'?
    """
    # 1 == True in Python; an option that takes False must not take 0 for it.
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        texts = [choice for choice in choices if isinstance(choice, str)]
        hint = nearest(value, texts) if isinstance(value, str) else ""
        raise ValueError(f"{name}={value!r}: must be one of {listed}{hint}")
    return value


def check_cfg(name: str, value: Any) -> Any:
    """``value`` if it can describe a layer: None, a name, a dict with ``type``, or a class."""
    if isinstance(value, dict) and "type" not in value:
        raise ValueError(f"{name}={value!r}: a dict must say its 'type', as in dict(type='BN')")
    if not (value is None or isinstance(value, str | dict) or callable(value)):
        raise TypeError(f"{name}={value!r}: must be a name, a dict with 'type', or a class")
    return value


def per_stage(name: str, value: Any, num_stages: int) -> tuple[Any, ...]:
    """One value per stage, from a single value or from a sequence with one per stage.

    >>> per_stage("kernel_size", 3, 4)
    (3, 3, 3, 3)
    >>> per_stage("kernel_size", (3, 5), 4)
    Traceback (most recent call last):
        ...
    ValueError: kernel_size=(3, 5): 2 values for 4 stages; give one value, or one per stage
    """
    if not isinstance(value, list | tuple):
        return (value,) * num_stages
    if len(value) != num_stages:
        raise ValueError(
            f"{name}={value!r}: {len(value)} values for {num_stages} stages; "
            "give one value, or one per stage"
        )
    return tuple(value)
