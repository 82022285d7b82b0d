"""Recognize how a tree of images is organized: by class, by split, or both. Pure: relative folders in, columns out.

What is certain is a note; what is ambiguous is a problem that names the setting that decides.
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
"""Folder names, in lower case, that name a part of a split."""

UNLABELED = frozenset({"unlabeled"})
MAX_LISTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What each image's folders mean, how that was recognized, and what else was noticed.

    `rows` holds for each image the value of 'split', of 'class' ('' unknown) and of every other level.
    """

    description: str
    rows: tuple[dict[str, str], ...]
    notes: tuple[str, ...] = ()


class AmbiguousLayoutError(Exception):
    """A tree that means different things; the message begins with the setting that decides."""


def recognize_layout(folders: Sequence[Folders], levels: Sequence[str]) -> Layout:
    """Say of every image, by its folders below the root, its split, class and other levels.

    Without `levels` the layout is recognized; raises AmbiguousLayoutError where it could be several. With levels, such as
    [camera, class] or [class, split], they name the folders from the root on. A folder `unlabeled` below the root holds
    images without a label in any layout.
    """
    tidy = [tuple(unicodedata.normalize("NFC", name) for name in path) for path in folders]
    used = tuple(levels) or _recognize_levels(tidy)
    rows = tuple(_read_row(path, used) for path in tidy)
    notes = _note_levels(tidy, used)
    if "split" in used:
        rows, told = settle_split(rows)
        notes += told
    return Layout(description=_describe(used, rows, asked=bool(levels)), rows=rows, notes=tuple(notes))


def _recognize_levels(folders: Sequence[Folders]) -> tuple[str, ...]:
    labeled = [path for path in folders if not (path and path[0].lower() in UNLABELED)]
    tops = Counter(path[0] for path in labeled if path)
    parts = [name for name in tops if name.lower() in SPLITS]
    others = [name for name in tops if name.lower() not in SPLITS]
    below = {name: {path[1] for path in labeled if len(path) > 1 and path[0] == name} for name in tops}
    if parts and others:
        raise AmbiguousLayoutError(
            f"levels: {_list(parts)} {_are(parts)} named like a split, beside {_list(others)}. Set data.levels=[class] "
            f"if all are classes, data.levels=[split,class] if it is a split, or data.skip={_pattern(others)} to leave "
            "folders out"
        )
    if parts:
        if any(below[name] for name in parts):
            return ("split", "class")
        raise AmbiguousLayoutError(
            f"levels: {_list(parts)} {_hold(parts)} images and no class folders. Set data.levels=[class] if they are "
            "classes, or data.levels=[split] if they are parts of a split of unlabeled images"
        )
    inner = set().union(*below.values()) if below else set()
    if inner and all(below.values()) and {name.lower() for name in inner} <= SPLITS.keys() and len(inner) > 1:
        return ("class", "split")
    if len(others) == 1 and len(tops) == 1 and below[others[0]] and all(path for path in labeled):
        raise AmbiguousLayoutError(
            f"root: holds one folder with images, {others[0]!r}, with {_list(sorted(inner))} below it. Set data.root to that "
            "folder if those are the classes, or data.levels=[class] if it is the only class"
        )
    return ("class",)


def _read_row(path: Folders, levels: Sequence[str]) -> dict[str, str]:
    """Read what one image's folders state; a split that is no known name is kept as it is."""
    row = dict.fromkeys(("split", "class", *levels), "")
    unlabeled = bool(path) and path[0].lower() in UNLABELED
    row.update(zip(levels, path[1:] if unlabeled else path, strict=False))
    if unlabeled:
        return {**row, "split": "", "class": ""}
    row["split"] = SPLITS.get(row["split"].lower(), row["split"])
    return row


def _note_levels(folders: Sequence[Folders], levels: Sequence[str]) -> list[str]:
    """Note images that lie above the last level, and folders below it."""
    notes = []
    labeled = [path for path in folders if not (path and path[0].lower() in UNLABELED)]
    above = sum(len(path) < len(levels) for path in labeled)
    if above and above < len(labeled):
        notes.append(f"{above:,} images lie above the {levels[-1]} folders and have no {levels[-1]}")
    deeper = Counter(path[len(levels)] for path in labeled if len(path) > len(levels))
    if deeper:
        shown = _list([name for name, _ in deeper.most_common()])
        notes.append(
            f"folders below the {levels[-1]} folders are not used: {shown}. data.levels names folders from the root on"
        )
    if len(labeled) < len(folders):
        notes.append(f"{len(folders) - len(labeled):,} images in a folder 'unlabeled' have no label")
    return notes


def settle_split(rows: tuple[dict[str, str], ...]) -> tuple[tuple[dict[str, str], ...], list[str]]:
    """Make the validation part the test set where no labeled image is in a test part; drop a split of one labeled part.

    Raises AmbiguousLayoutError for other parts than train, validation and test.
    """
    labeled = {row["split"] for row in rows if row["class"]} - {""}
    if "test" in labeled or not labeled:
        return rows, []
    if {"train", "validation"} <= labeled:
        told = "there is no test part with labels: the validation part is the test set"
        return tuple({**row, "split": "test"} if row["split"] == "validation" else row for row in rows), [told]
    if len(labeled) > 1:
        raise AmbiguousLayoutError(
            f"levels: labeled images are in parts {_list(sorted(labeled))}, of which none is a test part. Rename them to "
            "train, validation and test, or read them as another column than split"
        )
    told = f"only the part {_list(sorted(labeled))} has labels: folds are drawn within it"
    return tuple({**row, "split": ""} for row in rows), [told]


def _describe(levels: Sequence[str], rows: Sequence[dict[str, str]], *, asked: bool) -> str:
    if not any(row["class"] or row["split"] for row in rows):
        return "images without class folders: no labels"
    how = "as data.levels states" if asked else "recognized by the folders' names"
    return f"{'/'.join(levels).upper()}/image, {how}"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:MAX_LISTED])
    return shown + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")


def _pattern(names: Sequence[str]) -> str:
    return "[" + ",".join(f"{name}/*" for name in names[:MAX_LISTED]) + "]"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _hold(names: Sequence[str]) -> str:
    return "holds" if len(names) == 1 else "hold"
