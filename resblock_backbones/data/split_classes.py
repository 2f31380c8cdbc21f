"""The classes of two splits against each other: never learnt, or with exchanged numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Class -> its objects or pixels, and the images that it is in.
Counts = Mapping[str, tuple[int, int]]

#: With fewer images shares of pixels tell too little.
FEWEST_IMAGES = 8
#: The sum of all differences of two splits' shares, which is 2 where they have nothing in common:
#: splits of one data set stay below the one, and below the other once two numbers are changed back.
FAR, NEAR = 1.0, 0.2


def never_learnt(training: Counts, others: Mapping[str, Counts], unit: str) -> list[str]:
    """A line for each split with a class that there is nothing of to learn from.

    Args:
        training: of the split that is learnt from.
        others: split -> its counts.
        unit: what is counted.

    >>> never_learnt({"cat": (5, 3)}, {"val": {"cat": (2, 1), "cats": (4, 2)}}, "objects")
    ["val has 4 objects of 'cats', and train has none to learn from"]
    """
    lines = []
    learnt = {name for name, (count, _) in training.items() if count}
    for split, counts in others.items():
        present = [name for name, (count, _) in counts.items() if count]
        lost = [name for name in present if name not in learnt]
        if lost and learnt:
            more = f" (and {len(lost) - 1} more classes)" if len(lost) > 1 else ""
            count = counts[lost[0]][0]
            lines.append(
                f"{split} has {count} {unit} of {lost[0]!r}{more}, and train has none to learn from"
            )
    return lines


def exchanged(training: Counts, other: Counts, images: Sequence[int], split: str) -> str | None:
    """A line about two classes whose numbers were changed for each other in one of two splits.

    It is told where the most frequent class of one split has in the other the share of a rare
    one, and that one its share. Two classes of about equal shares, or of few pixels, leave no
    trace in the numbers of pixels: these are not told.

    Args:
        training: pixels of the split that is learnt from.
        other: of the split that is measured on.
        images: of the two splits.
        split: name of the other one.

    >>> exchanged({"sky": (90, 9), "car": (10, 9)}, {"sky": (12, 9), "car": (88, 9)}, [9, 9], "val")
    "'sky' has 90% of the pixels in train and 12% in val, 'car' 10% and 88%: do their numbers mean \
the other class in one of the two?"
    """
    names = [name for name in training if name in other]
    sums = [sum(counts[name][0] for name in names) for counts in (training, other)]
    if min(images) < FEWEST_IMAGES or len(names) < 2 or not all(sums):
        return None
    first, second = (
        {name: counts[name][0] / total for name in names}
        for counts, total in zip((training, other), sums, strict=True)
    )
    large, rival = max(first, key=first.__getitem__), max(second, key=second.__getitem__)
    changed = second | {large: second[rival], rival: second[large]}
    if large == rival or _distance(first, second) < FAR or _distance(first, changed) > NEAR:
        return None
    return (
        f"{large!r} has {first[large]:.0%} of the pixels in train and {second[large]:.0%} in "
        f"{split}, {rival!r} {first[rival]:.0%} and {second[rival]:.0%}: do their numbers mean the "
        "other class in one of the two?"
    )


def _distance(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    return sum(abs(first[name] - second[name]) for name in first)
