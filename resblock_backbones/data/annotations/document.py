"""A COCO annotation file as three lists, every entry of which is an object with ids that hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..findings import Findings, shown
from .json_files import has_plain_encoding, read_json
from .names import name_fault, names_alike
from .repair import repair
from .values import id_fault

Entry = dict[str, Any]
Numbered = tuple[int, Entry]


@dataclass
class CocoDocument:
    """The content of an annotation file.

    Attributes:
        file: where it stands.
        content: all of it, as it was read.
        images, categories, annotations: their numbers in the file and the entries;
            `annotations` is empty where there is none.
        findings: what is wrong with it.
    """

    file: Path
    content: dict[str, Any]
    images: list[Numbered]
    categories: list[Numbered]
    annotations: list[Numbered]
    findings: Findings

    @property
    def names(self) -> list[str]:
        """Names of the categories, in their order."""
        return [one["name"] for _, one in self.categories]


def read_document(
    file: Path, *, content: Any = None, repair_below: Path | None = None
) -> CocoDocument:
    """Read an annotation file and check its ids and references.

    Args:
        file: the annotation file.
        content: of it, where it has been read already; what is repaired is changed in it.
        repair_below: the folder of its images, where what is certain is to be repaired that a run
            refuses.

    What is wrong with entries is found, not raised: entries whose place in the whole is not clear
    are left out of the lists.

    Raises:
        DatasetError: it is no JSON, or no COCO at all.
    """
    content = read_json(file) if content is None else content
    findings = Findings(file)
    if not isinstance(content, dict):
        findings.error("top", "", f"no COCO JSON, its top is a {type(content).__name__}")
        findings.refuse_errors()
    for part in ("images", "categories"):
        _need_list(content, part, findings)
    if content.get("annotations") is not None:
        _need_list(content, "annotations", findings)
    findings.refuse_errors()
    for part in ("images", "categories"):
        if not content[part]:
            findings.error("empty", f"'{part}'", "is empty")
    findings.refuse_errors()
    if not has_plain_encoding(file):
        findings.note(
            "encoding", "", "not UTF-8, or with a byte-order mark: read as its first bytes say"
        )
    if repair_below is not None:
        repair(content, repair_below, findings)
    images = _entries(content, "images", ("id", "file_name"), findings)
    categories = _entries(content, "categories", ("id", "name"), findings)
    annotations = _entries(content, "annotations", (), findings)
    images = _with_ids(images, "images", findings)
    categories = _with_ids(categories, "categories", findings)
    _check_names(categories, findings)
    return CocoDocument(
        file=file,
        content=content,
        images=images,
        categories=[one for one in categories if isinstance(one[1]["name"], str)],
        annotations=_with_partners(annotations, images, categories, findings),
        findings=findings,
    )


def place_of(part: str, number: int, entry: Entry) -> str:
    """How an entry is named in messages.

    >>> place_of("annotations", 3, {"id": 7})
    'annotations[3] (id 7)'
    """
    return f"{part}[{number}] (id {shown(entry['id'])})" if "id" in entry else f"{part}[{number}]"


def _need_list(content: Entry, part: str, findings: Findings) -> None:
    value = content.get(part)
    if isinstance(value, list):
        return
    has = ", ".join(map(repr, list(content)[:5])) or "nothing"
    what = f"it has {has}" if part not in content else f"{part!r} is {shown(value)}"
    findings.error("lists", "", f"no COCO JSON, it has no list {part!r} ({what})")


def _entries(
    content: Entry, part: str, keys: tuple[str, ...], findings: Findings
) -> list[Numbered]:
    """The entries of a list that are objects and have these keys, with their numbers."""
    good = []
    for number, entry in enumerate(content.get(part) or []):
        if not isinstance(entry, dict):
            kind = type(entry).__name__
            findings.error(f"{part} kind", f"{part}[{number}]", f"is a {kind}, no object")
            continue
        missing = next((key for key in keys if key not in entry), None)
        if missing is None:
            good.append((number, entry))
        else:
            message = f"has no {missing!r}"
            findings.error(f"{part} {missing}", place_of(part, number, entry), message)
    return good


def _with_ids(entries: list[Numbered], part: str, findings: Findings) -> list[Numbered]:
    """The entries whose id is one, and theirs alone."""
    seen: dict[Any, int] = {}
    good = []
    for number, entry in entries:
        fault = id_fault(entry["id"])
        if fault is not None:
            findings.error(f"{part} id", f"{part}[{number}]", f"its 'id' {fault}")
        elif entry["id"] in seen:
            other = f"{part}[{seen[entry['id']]}]"
            message = f"has the id {shown(entry['id'])} of {other}; every id has to be unique"
            findings.error(f"{part} repeated id", f"{part}[{number}]", message)
        else:
            seen[entry["id"]] = number
            good.append((number, entry))
    return good


def _check_names(categories: list[Numbered], findings: Findings) -> None:
    seen: dict[str, Any] = {}
    for number, entry in categories:
        name = entry["name"]
        fault = name_fault(name)
        if fault is not None:
            place = place_of("categories", number, entry)
            findings.error("category name", place, f"its 'name' {fault}")
        elif name in seen:
            findings.error(
                "repeated name",
                place_of("categories", number, entry),
                f"has the name {name!r} of the category with id {shown(seen[name])}: objects of "
                "the two cannot be told apart; rename or remove one (a root category that some "
                "exports add has no objects: `resblock check --fix OUT` drops it)",
            )
        else:
            seen[name] = entry["id"]
    alike = names_alike(seen)
    if alike is not None:
        findings.warning("alike", "", alike)


def _with_partners(
    annotations: list[Numbered],
    images: list[Numbered],
    categories: list[Numbered],
    findings: Findings,
) -> list[Numbered]:
    """The annotations whose image and category are in the file."""
    known = {
        "image_id": ("images", {one["id"] for _, one in images}),
        "category_id": ("categories", {one["id"] for _, one in categories}),
    }
    good = []
    for number, entry in annotations:
        entry_good = True
        for key, (part, ids) in known.items():
            fault = _reference_fault(entry, key, part, ids)
            if fault is not None:
                entry_good = False
                findings.error(f"{key} of", place_of("annotations", number, entry), fault)
        if entry_good:
            good.append((number, entry))
    return good


def _reference_fault(entry: Entry, key: str, part: str, ids: set[Any]) -> str | None:
    if key not in entry:
        return f"has no {key!r}"
    fault = id_fault(entry[key])
    if fault is not None:
        return f"its {key!r} {fault}"
    if entry[key] in ids:
        return None
    other = next((one for one in ids if str(one) == str(entry[key])), None)
    hint = f"; there is {shown(other)}, of another type" if other is not None else ""
    return f"its {key!r} is {shown(entry[key])}, which is not among {part!r}{hint}"
