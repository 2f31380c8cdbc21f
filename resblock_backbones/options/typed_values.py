"""Values of options as people type them on a command line, read without running them.

A value is what MMEngine reads in it (``1,2`` and ``[a,b]`` are lists, words need no quotes), or a
Python literal, or a ``dict(...)`` call as configs are written. Nothing is evaluated.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from .errors import ConfigError

PAIRS = {"(": ")", "[": "]", "{": "}"}
QUOTES = "'\""


def parse_pairs(option: str, pairs: Sequence[str]) -> dict[str, Any]:
    """``key=value`` each, as a dict.

    Args:
        option: what they were given to; messages name it.
        pairs: as the shell hands them over; of a key that comes twice, the last counts.

    Raises:
        ConfigError: one is no such pair, or its value cannot be read.

    Example:
        >>> parse_pairs("--options", ["width=0.5", "norm_cfg=dict(type='GN', num_groups=8)"])
        {'width': 0.5, 'norm_cfg': {'type': 'GN', 'num_groups': 8}}
    """
    values = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not re.fullmatch(r"[\w.-]+", key):
            raise ConfigError(f"{option} {pair}: write it as key=value{_hint_at_spaces(pairs)}")
        try:
            values[key] = parse_value(text)
        except ValueError as error:
            raise ConfigError(f"{option} {pair}: {error}{_hint_at_spaces(pairs)}") from error
    return values


def parse_value(text: str) -> Any:
    """The value that a text stands for.

    Raises:
        ValueError: brackets or quotes do not close, or it is a call of something but ``dict``.

    Example:
        >>> parse_value("1e-3"), parse_value("True"), parse_value("None"), parse_value("a/b.py")
        (0.001, True, None, 'a/b.py')
        >>> parse_value("1,2"), parse_value("(1,2)"), parse_value("[[1, a], 'b c']")
        ([1, 2], (1, 2), [[1, 'a'], 'b c'])
        >>> parse_value("{'type': 'GN', 'num_groups': 8}")
        {'type': 'GN', 'num_groups': 8}
    """
    text = text.strip()
    items = _split(text, ",")
    if len(items) > 1:
        return [parse_value(item) for item in _without_last_empty(items)]
    inner = text[1:-1]
    if text.startswith("["):
        return [parse_value(item) for item in _items(inner)]
    if text.startswith("("):
        return tuple(parse_value(item) for item in _items(inner))
    if text.startswith("{"):
        return {parse_value(key): value for key, value in _entries(inner, ":", "{'key': value}")}
    called = re.fullmatch(r"(\w+)\s*\((.*)\)", text, re.DOTALL)
    if called is None:
        return _scalar(text)
    if called[1] != "dict":
        raise ValueError(
            f"{called[1]}(...) is a call, and only dict(...) is read; "
            f"""a text with brackets goes in quotes of its own: "'{text}'\""""
        )
    return dict(_entries(called[2], "=", "dict(key=value)"))


def _entries(inner: str, sign: str, form: str) -> list[tuple[str, Any]]:
    entries = []
    for item in _items(inner):
        key, *rest = _split(item, sign)
        if not rest or (sign == "=" and not key.strip().isidentifier()):
            raise ValueError(f"{item.strip()!r} is no entry of a dict; write {form}")
        # What follows the first sign is the value, with any further sign in it.
        entries.append((key.strip(), parse_value(item[len(key) + 1 :])))
    return entries


def _items(inner: str) -> list[str]:
    return _without_last_empty(_split(inner, ","))


def _without_last_empty(items: list[str]) -> list[str]:
    """``[1, 2,]`` has two items, and ``[]`` none."""
    return items if items[-1].strip() else items[:-1]


def _split(text: str, sign: str) -> list[str]:
    """Split at a sign, but not inside brackets or quotes.

    Raises:
        ValueError: they do not close.
    """
    parts, start, quote, closing = [], 0, "", ""
    opens = True  # a quote opens where a value begins; that of "it's" does not
    escaped = False
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote and not escaped else quote
            escaped = letter == "\\" and not escaped
            continue
        if letter in QUOTES and opens:
            quote = letter
        elif letter in PAIRS:
            closing += PAIRS[letter]
        elif closing and letter == closing[-1]:
            closing = closing[:-1]
        elif letter in PAIRS.values():
            raise ValueError(f"{letter!r} closes nothing")
        elif letter == sign and not closing:
            parts.append(text[start:place])
            start = place + 1
        opens = letter in ",:=" or letter in PAIRS or (opens and letter.isspace())
    if quote or closing:
        raise ValueError(f"{quote or closing[-1]} is missing")
    return [*parts, text[start:]]


def _scalar(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    if text == "None":
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text[:1] and text[0] in QUOTES:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise ValueError(f"{text} is no text in quotes") from None
    return text


def _hint_at_spaces(pairs: Sequence[str]) -> str:
    """The shell splits ``mean=[1, 2]`` into two arguments."""
    whole = " ".join(pairs)
    try:
        split = any(not re.match(r"[\w.-]+=", pair) for pair in pairs) and bool(_split(whole, ","))
    except ValueError:
        split = False
    return f"; a value with spaces goes in quotes: '{whole}'" if split else ""
