"""Images that two splits share, under one name or as copies."""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Bytes at the beginning, in the middle and at the end of a file that tell most files apart.
SAMPLE = 4096


def shared_images(training: Iterable[Path], others: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Images of another split that are, or are copies of, images that are learnt from.

    Args:
        training: files that are learnt from.
        others: files of the other split.

    Returns:
        Each such file of the other split, and the file of the training split; in the order of
        their names.

    >>> shared_images([Path("a.png"), Path("b.png")], [Path("b.png"), Path("c.png")])
    [(PosixPath('b.png'), PosixPath('b.png'))]
    """
    learnt = {one.resolve(): one for one in training}
    rest, found = [], []
    for one in sorted(set(others)):
        same = learnt.get(one.resolve())
        if same is not None:
            found.append((one, same))
        else:
            rest.append(one)
    return sorted(found + list(_copies(list(learnt.values()), rest)))


def told_of_shared(pairs: list[tuple[Path, Path]], of: int, split: str) -> str:
    """A line about shared images.

    >>> told_of_shared([(Path("val/b.png"), Path("a.png"))], 4, "train")
    '1 of 4 images are also in train (val/b.png is a copy of a.png): what is measured on them is \
no test'
    """
    copied = [pair for pair in pairs if pair[0].resolve() != pair[1].resolve()]
    first = f"{copied[0][0]} is a copy of {copied[0][1]}" if copied else f"{pairs[0][0].name}, ..."
    return (
        f"{len(pairs)} of {of} images are also in {split} ({first}): "
        "what is measured on them is no test"
    )


def _copies(training: list[Path], others: list[Path]) -> Iterator[tuple[Path, Path]]:
    by_size: dict[int, list[Path]] = defaultdict(list)
    sizes = {size for one in others if (size := _size(one))}
    for one in training:
        size = _size(one)
        if size in sizes:
            by_size[size].append(one)
    # Only files of one size are opened, and of these a little; few are then read whole.
    samples = {
        (size, sample): file
        for size, files in by_size.items()
        for file in files
        if (sample := _sample(file, size)) is not None
    }
    for one in others:
        size = _size(one)
        if size in by_size:
            same = samples.get((size, _sample(one, size) or b""))
            if same is not None and _equal(one, same):
                yield one, same


def _size(file: Path) -> int:
    with contextlib.suppress(OSError):
        return file.stat().st_size
    return 0


def _sample(file: Path, size: int) -> bytes | None:
    digest = hashlib.blake2b(digest_size=16)
    with contextlib.suppress(OSError), file.open("rb") as opened:
        for begin in (0, size // 2, size - SAMPLE):
            opened.seek(max(0, begin))
            digest.update(opened.read(SAMPLE))
        return digest.digest()
    return None


def _equal(first: Path, second: Path) -> bool:
    with contextlib.suppress(OSError):
        return filecmp.cmp(first, second, shallow=False)
    return False
