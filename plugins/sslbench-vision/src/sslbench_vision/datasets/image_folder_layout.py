"""Recognize the layout of a folder of images, by class, by split or both, from relative folders.

Recognized facts become notes. Ambiguous folders are a problem that names the setting to use.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Folders = tuple[str, ...]

SPLITS = {
    name: split
    for split, stems in (("train", ("train", "training")), ("validation", ("val", "valid", "validation", "dev")),
                         ("test", ("test", "testing")))
    for stem in stems
    for name in (stem, f"{stem}set", f"{stem}_set", f"{stem}-set", f"{stem} set", f"{stem}_images", f"{stem}_data")
}  # fmt: skip
"""Lower-case folder names, and the part of a split that each means."""

UNLABELED = frozenset(f"unlabel{ending}" for ending in ("ed", "led"))
"""Names of a folder of images without labels, in American and British spelling."""
MAX_LISTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLayout:
    """Columns of the images, a description of the layout, and notes.

    `rows` contains for each image 'split', 'class' ('' unknown) and every other level.
    """

    description: str
    rows: tuple[dict[str, str], ...]
    notes: tuple[str, ...] = ()


class AmbiguousLayoutError(Exception):
    """Ambiguous folders; the message begins with the setting to use."""


def recognize_layout(folders: Sequence[Folders], levels: Sequence[str]) -> FolderLayout:
    """Read split, class and other levels of every image from its folders below the root.

    Without `levels` the layout is recognized; raises AmbiguousLayoutError if several are possible. `levels`, such as
    [camera, class] or [class, split], name the folders from the root. In any layout, images in a folder `unlabeled` below the
    root have no label.
    """
    normalized = [tuple(unicodedata.normalize("NFC", name) for name in path) for path in folders]
    used = tuple(levels) or _recognize_levels(normalized)
    rows = tuple(_read_row(path, used) for path in normalized)
    notes = _note_levels(normalized, used)
    if "split" in used:
        rows, split_notes = settle_split(rows)
        notes += split_notes
    return FolderLayout(description=_describe(used, rows, is_stated=bool(levels)), rows=rows, notes=tuple(notes))


def _recognize_levels(folders: Sequence[Folders]) -> tuple[str, ...]:
    labeled = [path for path in folders if not (path and path[0].lower() in UNLABELED)]
    tops = Counter(path[0] for path in labeled if path)
    parts = [name for name in tops if name.lower() in SPLITS]
    others = [name for name in tops if name.lower() not in SPLITS]
    below = {name: {path[1] for path in labeled if len(path) > 1 and path[0] == name} for name in tops}
    if parts and others:
        raise AmbiguousLayoutError(
            f"levels: {_list(parts)} {_are(parts)} named like a split, next to {_list(others)}. Set data.levels=[class] "
            f"if all are classes, data.levels=[split,class] if it is a split, or data.skip={_pattern(others)} to leave "
            "folders out"
        )
    if parts:
        if any(below[name] for name in parts):
            return ("split", "class")
        raise AmbiguousLayoutError(
            f"levels: {_list(parts)} {_contain(parts)} images and no class folders. Set data.levels=[class] if they are "
            "classes, or data.levels=[split] if they are parts of a split of unlabeled images"
        )
    inner = set().union(*below.values()) if below else set()
    if inner and all(below.values()) and {name.lower() for name in inner} <= SPLITS.keys() and len(inner) > 1:
        return ("class", "split")
    if len(others) == 1 and len(tops) == 1 and below[others[0]] and all(path for path in labeled):
        raise AmbiguousLayoutError(
            f"root: contains one folder with images, {others[0]!r}, with {_list(sorted(inner))} below it. Set data.root to "
            "that folder if those are the classes, or data.levels=[class] if it is the only class"
        )
    return ("class",)


def _read_row(path: Folders, levels: Sequence[str]) -> dict[str, str]:
    """Read the columns of one image from its folders; an unknown name of a split is kept."""
    row = dict.fromkeys(("split", "class", *levels), "")
    unlabeled = bool(path) and path[0].lower() in UNLABELED
    row.update(zip(levels, path[1:] if unlabeled else path, strict=False))
    if unlabeled:
        return {**row, "split": "", "class": ""}
    row["split"] = SPLITS.get(row["split"].lower(), row["split"])
    return row


def _note_levels(folders: Sequence[Folders], levels: Sequence[str]) -> list[str]:
    """Return notes about images above the last level, and about folders below it."""
    notes = []
    labeled = [path for path in folders if not (path and path[0].lower() in UNLABELED)]
    images_above = sum(len(path) < len(levels) for path in labeled)
    if images_above and images_above < len(labeled):
        notes.append(f"{images_above:,} images are above the {levels[-1]} folders and have no {levels[-1]}")
    unused = Counter(path[len(levels)] for path in labeled if len(path) > len(levels))
    if unused:
        shown = _list([name for name, _ in unused.most_common()])
        notes.append(
            f"folders below the {levels[-1]} folders are not used: {shown}. data.levels names folders from the root on"
        )
    if len(labeled) < len(folders):
        notes.append(f"{len(folders) - len(labeled):,} images in a folder 'unlabeled' have no label")
    return notes


def settle_split(rows: tuple[dict[str, str], ...]) -> tuple[tuple[dict[str, str], ...], list[str]]:
    """Use the validation part as test set if no test part has labels; drop a split with one labeled part.

    Raises AmbiguousLayoutError for other parts than train, validation and test.
    """
    labeled = {row["split"] for row in rows if row["class"]} - {""}
    if "test" in labeled or not labeled:
        return rows, []
    if {"train", "validation"} <= labeled:
        note = "no test part with labels: the validation part is the test set"
        return tuple({**row, "split": "test"} if row["split"] == "validation" else row for row in rows), [note]
    if len(labeled) > 1:
        raise AmbiguousLayoutError(
            f"levels: labeled images are in parts {_list(sorted(labeled))}, none of which is a test part. Rename them to "
            "train, validation and test, or read them as another column than split"
        )
    note = f"only the part {_list(sorted(labeled))} has labels: folds are drawn within it"
    return tuple({**row, "split": ""} for row in rows), [note]


def _describe(levels: Sequence[str], rows: Sequence[dict[str, str]], *, is_stated: bool) -> str:
    if not any(row["class"] or row["split"] for row in rows):
        return "images without class folders: no labels"
    how = "as data.levels states" if is_stated else "recognized by the folders' names"
    return f"{'/'.join(levels).upper()}/image, {how}"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:MAX_LISTED])
    return shown + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")


def _pattern(names: Sequence[str]) -> str:
    return "[" + ",".join(f"{name}/*" for name in names[:MAX_LISTED]) + "]"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _contain(names: Sequence[str]) -> str:
    return "contains" if len(names) == 1 else "contain"
