"""A hint at the name that a misspelt one was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def nearest(name: str, names: Collection[str], cutoff: float) -> str:
    """A hint at the nearest name, ready to be appended to a message.

    >>> nearest("num_worker", ["num_workers", "batch_size"], cutoff=0.8)
    "; did you mean 'num_workers'?"
    >>> nearest("pin_memory", ["num_workers", "batch_size"], cutoff=0.8)
    ''
    """
    found = difflib.get_close_matches(name, sorted(names), n=1, cutoff=cutoff)
    return f"; did you mean {found[0]!r}?" if found else ""


def is_slip_of(name: str, key: str) -> bool:
    """Whether a name of several words is another one with letters or words out of place.

    A name that goes on behind the other one is no slip, and neither is one with another word.

    >>> is_slip_of("optimizer_wraper", "optim_wrapper"), is_slip_of("val_dataloader_2", "val_cfg")
    (True, False)
    >>> is_slip_of("val_pipeline", "tta_pipeline"), is_slip_of("train_data_loader", "train_cfg")
    (False, False)
    """
    if name.startswith(key) and not name[len(key) :].isalpha():
        return False
    words, others = name.lower().split("_"), key.split("_")
    if sorted(words) == sorted(others) or _alike("".join(words), "".join(others)) >= 0.9:
        return True
    pairs = zip(words, others, strict=False)
    return len(words) == len(others) and all(_alike(*pair) >= 0.65 for pair in pairs)


def _alike(one: str, other: str) -> float:
    """From 0 to 1."""
    return difflib.SequenceMatcher(None, one, other).ratio()
