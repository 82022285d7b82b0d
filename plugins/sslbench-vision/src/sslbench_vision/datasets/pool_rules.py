"""What of its members a pool keeps. Pure: names, classes and digests in, a reason for each image out.

The plankton MAE study (arXiv 2503.11341, Table 1) leaves out its target and every class that another collection shares
with it; equal bytes, equal file names and repetitions are rules of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RULES = ("target", "same bytes", "same name", "shared class", "repeated")
"""Why a image is left out; the first that holds counts."""
REASONS = (*RULES, "not drawn")
Naming = Callable[[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member, or LABEL/PART of it: digests of its images' bytes (behind a '#': which part of the file), file
    names, and classes ('' unknown).
    """

    label: str
    contents: Sequence[str]
    names: Sequence[str]
    classes: Sequence[str]


def normalize_class_name(name: str) -> str:
    """A class's name without what spellings differ in."""
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def make_naming(crosswalk: Mapping[tuple[str, str], str]) -> Naming:
    """What a member's class is called everywhere: as the crosswalk says, else by its own canonical name."""
    return lambda label, name: normalize_class_name(crosswalk.get((label.partition("/")[0], name), name))


def find_reasons(
    members: Sequence[Member], without: Sequence[str], same: Naming, *, by_name: bool
) -> dict[str, list[str]]:
    """Why each image of each member is left out; '' for those that are kept."""
    targets = [member for member in members if member.label in without]
    theirs = {content.partition("#")[0] for member in targets for content in member.contents}
    names = {name for member in targets for name in member.names} if by_name else set()
    shared = {same(member.label, name) for member in targets for name in set(member.classes) - {""}}
    seen: set[str] = set()
    found: dict[str, list[str]] = {}
    for member in members:
        if member.label in without:
            found[member.label] = ["target"] * len(member.contents)
            continue
        alike = {name: same(member.label, name) in shared for name in set(member.classes) - {""}} | {"": False}
        said = []
        for content, name, label in zip(member.contents, member.names, member.classes, strict=True):
            holds = (False, content.partition("#")[0] in theirs, name in names, alike[label], content in seen)
            said.append(next((reason for reason, true in zip(RULES, holds, strict=True) if true), ""))
            if not said[-1]:
                seen.add(content)
        found[member.label] = said
    return found


def draw_subset(found: Mapping[str, Sequence[str]], samples: int, rng: np.random.Generator) -> dict[str, list[str]]:
    """Keep `samples` of the images that are kept, drawn from all members alike."""
    kept = [(label, row) for label, said in found.items() for row, reason in enumerate(said) if not reason]
    left_out = rng.permutation(len(kept))[samples:]
    result = {label: list(said) for label, said in found.items()}
    for label, row in (kept[place] for place in left_out):
        result[label][row] = REASONS[-1]
    return result


def count_reasons(found: Mapping[str, Sequence[str]]) -> list[dict[str, str | int]]:
    """One row per member: images, those left out by reason, and those kept; and their sum."""
    rows: list[dict[str, str | int]] = []
    for label, said in found.items():
        counts = {reason: list(said).count(reason) for reason in REASONS}
        rows.append({"member": label, "images": len(said), **counts, "kept": list(said).count("")})
    total = {name: sum(int(row[name]) for row in rows) for name in ("images", *REASONS, "kept")}
    return [*rows, {"member": "all", **total}]
