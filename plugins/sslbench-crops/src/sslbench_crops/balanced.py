"""Divide parcels into splits, and draw the same number of samples of every class, as the bi-modal crop study does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken

Rows = NDArray[np.int64]
PARTS = ("pretraining", "train", "test")
"""Parts that parcels may belong to; those for pretraining are used by no evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDraw:
    """Samples of every class in training and test set (0: all), drawn with or without replacement."""

    train: int
    test: int
    replacement: bool
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnRows:
    """Drawn rows, sorted within each part, and notes on classes that have too few samples."""

    rows: Rows
    notes: tuple[str, ...]


def draw_rows(parts: NDArray[np.str_], labels: Rows, classes: Sequence[str], draw: ClassDraw) -> DrawnRows:
    """Draw rows of the parts 'train' and 'test' [n].

    A class with fewer samples than requested is kept completely where it is drawn without replacement, and noted.
    """
    rng, found, notes = np.random.default_rng(draw.seed), [], []
    for part, count in (("train", draw.train), ("test", draw.test)):
        chosen: list[Rows] = []
        for code, name in enumerate(classes):
            rows = np.flatnonzero((parts == part) & (labels == code))
            if not draw.replacement and len(rows) < count:
                notes.append(f"{part}: {name!r} has {len(rows):,} of {count:,} samples to draw; all are used")
            if count and len(rows) and (draw.replacement or len(rows) > count):
                rows = rng.choice(rows, count, replace=draw.replacement)
            chosen.append(rows)
        found.append(np.sort(np.concatenate(chosen)))
    return DrawnRows(rows=np.concatenate(found), notes=tuple(notes))


def number_repeats(ids: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return unique ids: of equal ones, which follow each other, the second ends with '#2', and so on."""
    places = np.arange(len(ids))
    is_first = np.concatenate([[True], ids[1:] != ids[:-1]]) if len(ids) else np.zeros(0, np.bool_)
    count = places - np.maximum.accumulate(np.where(is_first, places, 0)) + 1
    return np.where(count > 1, np.char.add(np.char.add(ids, "#"), count.astype(np.str_)), ids)


def divide_in_order(crops: NDArray[np.str_], share: float) -> NDArray[np.bool_]:
    """Return a mask [n] of the first `share` of the parcels of every crop, in file order, as the released code divides."""
    is_first = np.zeros(len(crops), np.bool_)
    for crop in np.unique(crops):
        rows = np.flatnonzero(crops == crop)
        is_first[rows[: int(share * len(rows) + 1e-9)]] = True
    return is_first


def read_parcel_parts(rows: Sequence[tuple[str, str]], path: Path) -> dict[str, str]:
    """Return parcel -> part of a table's rows; raises DataBroken for a parcel in two parts, or an unknown part."""
    found: dict[str, str] = {}
    for parcel, part in rows:
        if part not in PARTS:
            raise DataBroken(f"{path}: parcel {parcel!r} has split {part!r}. Use {', '.join(PARTS)}")
        if found.setdefault(parcel, part) != part:
            raise DataBroken(
                f"{path}: parcel {parcel!r} is in two splits, {found[parcel]!r} and {part!r}. Keep one of the rows"
            )
    return found


def divide_at_random(labels: Rows, share: float, seed: int) -> NDArray[np.str_]:
    """Return 'test' for a random `share` of every class [n], rounded, and 'train' for the others."""
    rng, parts = np.random.default_rng([seed, len(labels)]), np.full(len(labels), "train")
    for code in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == code))
        parts[rows[: round(share * len(rows))]] = "test"
    return parts
