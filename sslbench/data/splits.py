"""Which rows are learnt from, chosen on and answered for. Pure: labels, columns and a rule in, row numbers out.

A split never depends on a run's seed: it is the same for everybody who names the same data and rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from sslbench.api.errors import RequestError
from sslbench.api.values import Task

VERSION = 1
Rows = NDArray[np.int64]
Columns = Mapping[str, NDArray[np.str_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSettings:
    """How samples are divided: k folds where there is no official split, an inner validation part, groups kept whole.

    Samples of one value in the column `groups` stay together; with `block` its values are numbers, such as seconds, and
    samples that follow each other by at most so much stay together too. A sample without a value stands alone.
    With `transfer` (a column), the bank is the group `bank` and the query the group `query`; when both are one group, it
    is divided by folds.
    """

    folds: int = 5
    validation: float = 0.15
    groups: str = ""
    block: float = 0.0
    transfer: str = ""
    bank: str = ""
    query: str = ""
    official: bool = True
    fractions: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Division:
    """The rows of one fold."""

    bank: Rows
    validation: Rows
    query: Rows


def lone_settings(settings: SplitSettings) -> list[str]:
    """Say which settings make no sense alone, or are given without the column that they are about."""
    named = {"splits.bank": settings.bank, "splits.query": settings.query}
    given = [f"{path} = {value}" for path, value in named.items() if value and not settings.transfer]
    problems = [f"{what} means nothing without splits.transfer=COLUMN, whose value it is" for what in given]
    shares = settings.fractions
    if not shares or len(set(shares)) != len(shares) or not all(0 < share <= 1 for share in shares):
        problems.append(
            f"splits.fractions: {list(shares)} is not possible; possible: different shares above 0, at most 1"
        )
    if settings.block < 0:
        problems.append(f"splits.block: {settings.block:g} is not possible; possible: 0 or more")
    if settings.block and not settings.groups:
        problems.append(
            f"splits.block = {settings.block:g} means nothing without splits.groups=COLUMN, whose numbers it is of"
        )
    return problems


def absent(columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> list[str]:
    """Say which columns, and which groups of a transfer, a rule or the dataset's card names that the data has not."""
    kept = (settings.groups,) if settings.groups else groups
    named = [*(("splits.groups", name) for name in kept), ("splits.transfer", settings.transfer)]
    strangers = [(path, name) for path, name in named if name and name not in columns]
    possible = ", ".join(sorted(columns))
    problems = [f"{path}: no column {name!r}; possible: {possible}" for path, name in strangers]
    if settings.block and settings.groups in columns:
        wrong = [value for value in columns[settings.groups].tolist() if value and not _is_number(value)]
        told = f"splits.block: needs numbers in column {settings.groups!r}"
        problems += [f"{told}, and {len(wrong)} of its values are none, such as {wrong[0]!r}"] if wrong else []
    if settings.transfer not in columns:
        return problems
    names = sorted(set(columns[settings.transfer].tolist()))
    for path, value in (("splits.bank", settings.bank), ("splits.query", settings.query)):
        if value not in names:
            problems.append(f"{path}: {settings.transfer!r} has no value {value!r}; possible: {', '.join(names)}")
    return problems


def undividable(labels: Rows, columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> list[str]:
    """Say why a dataset cannot be divided so: what it has not, or fewer groups than there would be parts."""
    if problems := absent(columns, settings, groups):
        return problems
    key = group_key(columns, settings, groups)
    if key is None:
        return []
    official, divided = has_official_split(labels, columns, settings), labels >= 0
    column, value = (settings.transfer, settings.bank) if settings.transfer else ("split", "train")
    if settings.transfer or official:
        divided &= columns[column] == value
    named = official and not settings.transfer and "validation" in set(columns["split"].tolist())
    inner = settings.validation > 0 and not named
    return _too_few(len(set(key[divided].tolist())), 1 + inner if official else max(settings.folds, 2 + inner))


def _too_few(groups: int, parts: int) -> list[str]:
    told = f"splits.groups: {groups} group(s) of samples cannot be divided into {parts} parts"
    return [] if groups >= parts else [f"{told}; lower splits.folds, or set splits.validation=0"]


def subset_size(available: float, fraction: float) -> int:
    """How many of a class's training images a fraction keeps: max(1, floor(p * n)) (paper A, Table 4)."""
    return max(1, math.floor(fraction * available + 1e-9))


def label_subset(labels: Rows, rows: Rows, fraction: float, rng: np.random.Generator) -> Rows:
    """Keep a fraction of every class, at least one; smaller fractions lie inside larger ones for equal generators."""
    kept = []
    for code in np.unique(labels[rows]):
        shuffled = rng.permutation(rows[labels[rows] == code])
        kept.append(shuffled[: subset_size(len(shuffled), fraction)])
    return np.sort(np.concatenate(kept)) if kept else rows[:0]


def divide(labels: Rows, columns: Columns, settings: SplitSettings, fold: int, groups: Sequence[str]) -> Division:
    """Divide the labelled rows of one dataset for one fold.

    `groups` are the dataset card's own group columns; raises RequestError for a group or split that is not there.
    """
    if problems := absent(columns, settings, groups):
        raise RequestError(problems)
    known = np.flatnonzero(labels >= 0)
    key = group_key(columns, settings, groups)
    if settings.transfer:
        inside = columns[settings.transfer]
        if settings.bank != settings.query:
            return _transfer(labels, inside, settings, known, key)
        known = known[inside[known] == settings.bank]
    split = columns.get("split")
    if not settings.transfer and settings.official and split is not None and "test" in set(split[known].tolist()):
        return _official(labels, split, settings, known, key)
    folds = _folds(labels, known, key, settings.folds)
    query = known[folds == fold]
    bank, validation = _inner(labels, known[folds != fold], key, settings.validation)
    return Division(bank=bank, validation=validation, query=query)


def has_official_split(labels: Rows, columns: Columns, settings: SplitSettings) -> bool:
    """Whether folds make no sense because the data says what is tested."""
    split = columns.get("split")
    if settings.transfer:
        return settings.bank != settings.query
    return settings.official and split is not None and "test" in set(split[labels >= 0].tolist())


def tasks_of(division: Division, labels: Rows, fractions: Sequence[float], fold: int) -> tuple[Task, ...]:
    """One task per label fraction; the subset's draw depends on fold and fraction's nesting alone."""
    tasks = []
    for fraction in fractions:
        bank = division.bank
        if fraction < 1.0:
            bank = label_subset(labels, bank, fraction, np.random.default_rng([VERSION, fold]))
        setting = {"fold": fold, "fraction": fraction}
        tasks.append(Task(setting=setting, bank=bank, validation=division.validation, query=division.query))
    return tuple(tasks)


def _official(
    labels: Rows, split: NDArray[np.str_], settings: SplitSettings, known: Rows, key: NDArray[np.str_] | None
) -> Division:
    query = known[split[known] == "test"]
    validation = known[split[known] == "validation"]
    bank = known[split[known] == "train"]
    if not len(validation):
        bank, validation = _inner(labels, bank, key, settings.validation)
    return Division(bank=bank, validation=validation, query=query)


def _transfer(
    labels: Rows, column: NDArray[np.str_], settings: SplitSettings, known: Rows, key: NDArray[np.str_] | None
) -> Division:
    source = known[column[known] == settings.bank]
    query = known[column[known] == settings.query]
    bank, validation = _inner(labels, source, key, settings.validation)
    seen = np.isin(labels[query], np.unique(labels[source]))
    return Division(bank=bank, validation=validation, query=query[seen])


def group_key(columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> NDArray[np.str_] | None:
    """Name [n] the group of each sample that no split cuts; None where nothing is kept together."""
    names = (settings.groups,) if settings.groups else tuple(groups)
    if not names:
        return None
    if settings.block:
        return chained(columns[settings.groups], settings.block)
    parts = [columns[name] for name in names]
    return apart_without(np.array(["\x1f".join(values) for values in zip(*(p.tolist() for p in parts), strict=True)]))


def chained(values: NDArray[np.str_], block: float) -> NDArray[np.str_]:
    """Name [n] the chain of each sample: in one chain, neighbouring values differ by at most `block`; '' is a chain alone."""
    numbers = np.array([float(value) if value else np.nan for value in values.tolist()])
    order = np.argsort(numbers, kind="stable")  # nan last, and no two of them closer than anything
    breaks = ~(np.diff(numbers[order]) <= block)
    chain = np.zeros(len(numbers), np.int64)
    chain[order[1:]] = np.cumsum(breaks)
    return chain.astype(np.str_)


def apart_without(key: NDArray[np.str_]) -> NDArray[np.str_]:
    """Give samples without any value a group each."""
    empty = np.char.strip(key, "\x1f") == ""
    return np.where(empty, np.char.add("\x1falone ", np.arange(len(key)).astype(np.str_)), key)


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _folds(labels: Rows, rows: Rows, key: NDArray[np.str_] | None, folds: int) -> Rows:
    """The fold [n] of each row: stratified, and no group in two folds."""
    if len(rows) < folds:
        raise RequestError([f"splits.folds: {len(rows)} labelled samples cannot make {folds} folds; lower it"])
    result = np.empty(len(rows), dtype=np.int64)
    if key is None:
        order = StratifiedKFold(folds, shuffle=True, random_state=VERSION).split(rows, _splittable(labels[rows], folds))
    else:
        if problems := _too_few(len(set(key[rows].tolist())), max(folds, 2)):
            raise RequestError(problems)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=VERSION)
        order = splitter.split(rows, _splittable(labels[rows], folds), key[rows])
    for fold, (_, test) in enumerate(order):
        result[test] = fold
    return result


def _splittable(labels: Rows, folds: int) -> Rows:
    """Join the classes with fewer members than folds into one stratum, which scikit-learn would warn of."""
    codes, counts = np.unique(labels, return_counts=True)
    small = codes[counts < folds]
    joined = np.where(np.isin(labels, small), -1, labels)
    if 0 < (joined == -1).sum() < folds:  # too few even together: they follow the largest class's stratum
        joined = np.where(joined == -1, codes[np.argmax(counts)], joined)
    return joined


def _inner(labels: Rows, rows: Rows, key: NDArray[np.str_] | None, share: float) -> tuple[Rows, Rows]:
    """Take a stratified share for validation; every class keeps at least one row to learn from."""
    if share <= 0:
        return rows, rows[:0]
    if key is not None:
        parts = _folds(labels, rows, key, min(max(2, round(1 / share)), len(set(key[rows].tolist()))))
        return rows[parts != 0], rows[parts == 0]
    rng = np.random.default_rng([VERSION, len(rows)])
    chosen = []
    classes = [rng.permutation(rows[labels[rows] == code]) for code in np.unique(labels[rows])]
    exact = np.array([share * len(members) for members in classes])
    sizes = np.floor(exact).astype(int)
    for place in np.argsort(sizes - exact, kind="stable")[: round(exact.sum()) - sizes.sum()]:
        sizes[place] += 1
    for members, size in zip(classes, sizes, strict=True):
        chosen.append(members[: min(size, len(members) - 1)])
    validation = np.sort(np.concatenate(chosen)) if chosen else rows[:0]
    return np.setdiff1d(rows, validation), validation
