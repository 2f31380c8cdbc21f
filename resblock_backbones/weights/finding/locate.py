"""Under which prefix a checkpoint holds a ResNet, and which of several is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from ..dialects import DIALECTS, Dialect
from ..errors import CheckpointError
from .made_over import how_made_over
from .tensors import WRAPPERS, Named, memory_of

#: Words in names of averages of weights, which nobody should miss without knowing.
AVERAGE = re.compile(r"(?:^|[._])(?:ema|swa|average|averaged|shadow|teacher)(?=[._]|$|_params)")
#: First convolutions of stems, by ``FlexResNet``'s names.
STEMS = ("conv1.weight", "stem.0.weight")
_LANDMARKS = [(re.compile(rf"(?:^|(?<=\.)){dialect.landmark}$"), dialect) for dialect in DIALECTS]


def locate(
    tensors: Mapping[str, Named], source: str, given: str | None
) -> tuple[str, Dialect, dict[str, Tensor]]:
    """The backbone's prefix, its family, and the tensors behind the prefix by the rest of the name.

    Args:
        tensors: of the whole checkpoint, by path.
        source: the checkpoint's name, for messages.
        given: what the caller says of the prefix: all of it, its end, or a part of it that no
            other ResNet has.

    Raises:
        CheckpointError: there is no ResNet in it, or more than one that can be meant.
    """
    found = _resnets(tensors)
    if given is not None:
        prefix = _chosen(found, tensors, source, given)
    elif not found:
        made_over = how_made_over({name: named.tensor for name, named in tensors.items()})
        if made_over:
            raise CheckpointError(f"{source}: is of a network that was {made_over}")
        names = [name.removeprefix(named.container) for name, named in tensors.items()]
        first = list(dict.fromkeys(name.split(".")[0] for name in names))
        raise CheckpointError(
            f"{source}: holds no ResNet backbone: no names as layer1.0.conv1.weight, "
            "res2.0.conv1.weight, res2_0_branch2a_w or another family's; its names begin with "
            f"{', '.join(first[:5])}"
        )
    else:
        different = _without_stages_alone(found)
        if len(different) > 1:
            raise CheckpointError(
                f"{source}: holds {len(different)} ResNets, under {_listed(different)}; choose one "
                "with prefix="
            )
        [prefix] = different
    return prefix, *found[prefix]


def unused_averages(tensors: Mapping[str, Named], prefix: str) -> list[str]:
    """Paths of averaged weights, beside the ResNet under ``prefix``, that are no ResNet by name."""
    paths = dict.fromkeys(
        name[: match.end()]
        for name, named in tensors.items()
        if named.tensor.ndim and not name.startswith(prefix or "\0")
        for match in [AVERAGE.search(name)]
        if match
    )
    return [path for path in paths if not AVERAGE.search(prefix)]


def _resnets(tensors: Mapping[str, Named]) -> dict[str, tuple[Dialect, dict[str, Tensor]]]:
    """Prefix -> the family and the tensors of each ResNet."""
    candidates: dict[str, list[Dialect]] = {}
    for name in tensors:
        for pattern, dialect in _LANDMARKS:
            match = pattern.search(name)
            if match:
                dialects = candidates.setdefault(name[: match.start()], [])
                if dialect not in dialects:
                    dialects.append(dialect)
    found = {}
    for prefix, dialects in candidates.items():
        own = {
            name.removeprefix(prefix): named.tensor
            for name, named in tensors.items()
            if name.startswith(prefix)
        }
        for dialect in sorted(dialects, key=DIALECTS.index):
            whole = own | _head_beside(tensors, dialect, prefix)
            if dialect.claims(whole):
                found[prefix] = dialect, whole
                break
    return found


def _without_stages_alone(found: Mapping[str, tuple[Dialect, dict[str, Tensor]]]) -> list[str]:
    """Prefixes of ResNets, without lists of stages whose tensors are those of a whole one.

    A network that keeps its backbone and a list of its stages names those tensors twice. Two whole
    ResNets of the same tensors are two all the same: an average may begin as the weights.
    """
    if len(found) < 2:
        return list(found)
    ours = {prefix: dialect.to_ours(own)[0] for prefix, (dialect, own) in found.items()}
    memories = {prefix: set(map(memory_of, tensors.values())) for prefix, tensors in ours.items()}
    return [
        prefix
        for prefix, tensors in ours.items()
        if not tensors.keys().isdisjoint(STEMS)
        or not any(memories[prefix] < memories[other] for other in found)
    ]


def _head_beside(tensors: Mapping[str, Named], dialect: Dialect, prefix: str) -> dict[str, Tensor]:
    """The classifier of families that keep it beside the backbone, by its name there."""
    if not dialect.head or not prefix.endswith(dialect.written_prefix):
        return {}
    head = prefix.removesuffix(dialect.written_prefix) + dialect.head
    return {
        dialect.head + name.removeprefix(head): named.tensor
        for name, named in tensors.items()
        if name.startswith(head)
    }


def _chosen(
    found: Mapping[str, object], tensors: Mapping[str, Named], source: str, given: str
) -> str:
    wanted = WRAPPERS.sub("", given.rstrip(".") + ".") if given else ""
    ways = (
        [prefix for prefix in found if prefix == wanted],
        # Behind the containers that training tools write.
        [prefix for prefix in found if prefix in _behind_containers(tensors, wanted)],
        [prefix for prefix in found if f".{prefix}".endswith(f".{wanted}")],
        [prefix for prefix in found if f".{wanted}" in f".{prefix}"],
        # As `teacher.backbone` of `teacher.module.backbone`.
        [prefix for prefix in found if _in_order(wanted, prefix)],
    )
    for prefixes in ways if wanted else ways[:2]:
        if len(prefixes) == 1:
            return prefixes[0]
        if prefixes:
            raise CheckpointError(
                f"{source}: holds {len(prefixes)} ResNets under prefix='{given}': "
                f"{_listed(prefixes)}; give all of the one's"
            )
    known = _listed(found) or "none"
    raise CheckpointError(
        f"{source}: holds no ResNet under prefix='{given}'; prefixes of ResNets in it: {known}"
    )


def _in_order(wanted: str, prefix: str) -> bool:
    """Whether a prefix has all parts of another, in that order."""
    parts = iter(prefix.split("."))
    return all(part in parts for part in wanted.split("."))


def _behind_containers(tensors: Mapping[str, Named], wanted: str) -> set[str]:
    return {named.container + wanted for named in tensors.values()}


def _listed(prefixes: Iterable[str]) -> str:
    listed = [f"'{prefix}'" for prefix in prefixes]
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
