"""Choose the images of a pool: find a reason to leave out for each image, from names, classes and digests.

The plankton MAE study (arXiv 2503.11341, Table 1) leaves out its target and every class that another collection shares with
it; the rules for equal bytes, equal file names and repetitions are from sslbench.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RULES = ("target", "same bytes", "same name", "shared class", "repeated")
"""Reasons to leave out an image; the first that applies counts."""
REASONS = (*RULES, "not drawn")
Naming = Callable[[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member, or LABEL/PART of it.

    Digests of the bytes of its images (after a '#': the part of the file), file names, and classes ('' unknown).
    """

    label: str
    contents: Sequence[str]
    names: Sequence[str]
    classes: Sequence[str]


def normalize_class_name(name: str) -> str:
    """Return a class's name without case, and with one separator of words."""
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def make_naming(crosswalk: Mapping[tuple[str, str], str]) -> Naming:
    """Make the function that names a member's class: by the crosswalk, else by its normalized name."""
    return lambda label, name: normalize_class_name(crosswalk.get((label.partition("/")[0], name), name))


def find_reasons(
    members: Sequence[Member], without: Sequence[str], same: Naming, *, by_name: bool
) -> dict[str, list[str]]:
    """Find the reason to leave out each image of each member; '' for those that are kept."""
    targets = [member for member in members if member.label in without]
    target_contents = {content.partition("#")[0] for member in targets for content in member.contents}
    names = {name for member in targets for name in member.names} if by_name else set()
    shared = {same(member.label, name) for member in targets for name in set(member.classes) - {""}}
    seen: set[str] = set()
    reasons_by_member: dict[str, list[str]] = {}
    for member in members:
        if member.label in without:
            reasons_by_member[member.label] = ["target"] * len(member.contents)
            continue
        is_shared = {name: same(member.label, name) in shared for name in set(member.classes) - {""}} | {"": False}
        reasons = []
        for content, name, label in zip(member.contents, member.names, member.classes, strict=True):
            applies = (
                False,
                content.partition("#")[0] in target_contents,
                name in names,
                is_shared[label],
                content in seen,
            )
            reasons.append(next((reason for reason, true in zip(RULES, applies, strict=True) if true), ""))
            if not reasons[-1]:
                seen.add(content)
        reasons_by_member[member.label] = reasons
    return reasons_by_member


def draw_subset(
    reasons_by_member: Mapping[str, Sequence[str]], samples: int, rng: np.random.Generator
) -> dict[str, list[str]]:
    """Keep `samples` of the images that are kept, drawn from all members at random."""
    kept = [
        (label, row) for label, reasons in reasons_by_member.items() for row, reason in enumerate(reasons) if not reason
    ]
    left_out = rng.permutation(len(kept))[samples:]
    result = {label: list(reasons) for label, reasons in reasons_by_member.items()}
    for label, row in (kept[place] for place in left_out):
        result[label][row] = REASONS[-1]
    return result


def count_reasons(reasons_by_member: Mapping[str, Sequence[str]]) -> list[dict[str, str | int]]:
    """Make one row per member and one for all: images, those left out by reason, and those kept."""
    rows: list[dict[str, str | int]] = []
    for label, reasons in reasons_by_member.items():
        counts = {reason: list(reasons).count(reason) for reason in REASONS}
        rows.append({"member": label, "images": len(reasons), **counts, "kept": list(reasons).count("")})
    total = {name: sum(int(row[name]) for row in rows) for name in ("images", *REASONS, "kept")}
    return [*rows, {"member": "all", **total}]
