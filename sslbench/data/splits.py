"""Which rows are learned from, chosen on and answered for. Pure: labels, columns and a rule in, row numbers out.

A split never depends on a run's seed: it is the same for everybody who names the same data and rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from sslbench.api.errors import RequestError
from sslbench.api.ranges import NonEmpty, NonNegativeFloat, Range
from sslbench.api.values import Task
from sslbench.data.groups import UNGROUPED, Columns, Rows, find_non_numbers, find_shared, group_columns, group_key

VERSION = 1
SEPARATION_VERSION = 1
"""Version of the rules that keep groups, transfers and unlabeled test samples apart."""

Reason = Literal["group_in_test", "group_in_training", "unknown_class", "other_part", "other_group"]
"""Why a labeled sample is in no part: its group is in the test set; it is a validation sample of a group of the training
set; its class is not in the bank of a transfer; its 'split' is none of train, validation and test; its value of the
transfer's column is neither the bank's nor the query's.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSettings:
    """How samples are divided: k folds where there is no official split, an inner validation part, groups kept whole.

    Samples of one value in the column `groups` stay together. By default it is the column that the dataset's card names,
    such as the image that crops were cut from; with `groups` = none nothing is kept together. With `block` its values are
    numbers, such as seconds, and samples that follow each other by at most so much stay together too. A sample without a
    value stands alone.
    With `transfer` (a column), the bank is the group `bank` and the query the group `query`; when both are one group, it
    is divided by folds. Where samples of one group are on both sides of a transfer or of the official split, the test set
    keeps its samples and the others of that group are left out, and counted in the record.
    """

    folds: Annotated[int, Range(at_least=2)] = 5
    validation: Annotated[float, Range(at_least=0, below=1)] = 0.15
    groups: str = ""
    group_gap: NonNegativeFloat = 0.0
    transfer: str = ""
    bank: str = ""
    query: str = ""
    official: bool = True
    label_fractions: NonEmpty[Annotated[float, Range(above=0, at_most=1)]] = (1.0,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Division:
    """The rows of one fold; `left_out` are the labeled rows that are in no part, by reason."""

    bank: Rows
    validation: Rows
    query: Rows
    left_out: Mapping[Reason, Rows] = field(default_factory=dict)


def find_unused_settings(settings: SplitSettings) -> list[str]:
    """Say which settings make no sense alone, or are given without the column that they are about."""
    named = {"splits.bank": settings.bank, "splits.query": settings.query}
    given = [f"{path} = {value}" for path, value in named.items() if value and not settings.transfer]
    problems = [f"{what} means nothing without splits.transfer=COLUMN, whose value it is" for what in given]
    if settings.group_gap and settings.groups in ("", UNGROUPED):
        problems.append(
            f"splits.group_gap = {settings.group_gap:g} means nothing without splits.groups=COLUMN, whose numbers it is of"
        )
    return problems


def find_missing_columns(columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> list[str]:
    """Say which columns, and which groups of a transfer, a rule or the dataset's card names that the data has not."""
    kept = group_columns(settings, groups)
    named = [*(("splits.groups", name) for name in kept), ("splits.transfer", settings.transfer)]
    strangers = [(path, name) for path, name in named if name and name not in columns]
    possible = ", ".join(sorted(columns))
    problems = [f"{path}: no column {name!r}; possible: {possible}" for path, name in strangers]
    problems += find_invalid_gaps(columns, settings)
    if settings.transfer not in columns:
        return problems
    names = sorted(set(columns[settings.transfer].tolist()))
    for path, value in (("splits.bank", settings.bank), ("splits.query", settings.query)):
        if value not in names:
            problems.append(f"{path}: {settings.transfer!r} has no value {value!r}; possible: {', '.join(names)}")
    return problems


def division_errors(labels: Rows, columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> list[str]:
    """Say why a dataset cannot be divided so: what it has not, or fewer groups than there would be parts."""
    if problems := find_missing_columns(columns, settings, groups):
        return problems
    sides = _sides(labels, columns, settings, groups)
    if problems := _find_empty_sides(sides, settings):
        return problems
    key = group_key(columns, settings, groups)
    if key is None:
        return []
    inner = settings.validation > 0 and not len(sides.validation)
    parts = 1 + inner if len(sides.query) else max(settings.folds, 2 + inner)
    problems = _too_few_groups(len(set(key[sides.bank].tolist())), parts)
    if problems or len(sides.query) or not inner or settings.folds > 2:
        return problems
    folds = _folds(labels, sides.bank, key, settings.folds)  # with two, one large group may be all of a side
    return _too_few_groups(min(len(set(key[sides.bank[folds != fold]].tolist())) for fold in range(settings.folds)), 2)


def find_invalid_gaps(columns: Columns, settings: SplitSettings) -> list[str]:
    """Say which values of the column in `splits.groups` are no numbers, where `splits.group_gap` needs numbers."""
    wrong = find_non_numbers(columns[settings.groups]) if settings.group_gap and settings.groups in columns else []
    told = f"splits.group_gap: needs numbers in column {settings.groups!r}"
    return [f"{told}, and {len(wrong)} of its values are none, such as {wrong[0]!r}"] if wrong else []


def _too_few_groups(groups: int, parts: int) -> list[str]:
    told = f"splits.groups: {groups} group(s) of samples cannot be divided into {parts} parts"
    fix = "lower splits.folds, set splits.validation=0, or set splits.groups=none to let a group lie on both sides"
    return [] if groups >= parts else [f"{told}; {fix}"]


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
    """Divide the labeled rows of one dataset for one fold.

    `groups` are the dataset card's own group columns; raises RequestError for a group or split that is not there.
    """
    if problems := find_missing_columns(columns, settings, groups):
        raise RequestError(problems)
    sides = _sides(labels, columns, settings, groups)
    if problems := _find_empty_sides(sides, settings):
        raise RequestError(problems)
    key = group_key(columns, settings, groups)
    bank, validation, query = sides.bank, sides.validation, sides.query
    if not len(query):
        folds = _folds(labels, bank, key, settings.folds)
        bank, query = bank[folds != fold], bank[folds == fold]
    if not len(validation):
        bank, validation = _split_validation(labels, bank, key, settings.validation)
    return Division(bank=bank, validation=validation, query=query, left_out=sides.left_out)


def estimate_bank(labels: Rows, columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> int:
    """Estimate how many labeled rows one fold learns from, without dividing anything.

    All labeled rows count where the rule names a column that is not there, as of data that is only announced.
    """
    known = int(is_labeled(labels).sum())
    if labels.ndim > 1 or find_missing_columns(columns, settings, groups):
        return known
    sides = _sides(labels, columns, settings, groups)
    share = 1.0 if len(sides.query) else 1 - 1 / settings.folds
    return round(len(sides.bank) * share * (1.0 if len(sides.validation) else 1 - settings.validation))


def has_official_split(labels: Rows, columns: Columns, settings: SplitSettings) -> bool:
    """Whether folds make no sense because the data says what is tested."""
    split = columns.get("split")
    if settings.transfer:
        return settings.bank != settings.query
    return settings.official and split is not None and "test" in set(split[is_labeled(labels)].tolist())


def is_labeled(labels: Rows) -> NDArray[np.bool_]:
    """Tell [n] which samples have a label: `labels` are codes [n], or several labels per sample [n, C]; -1 is unknown."""
    known: NDArray[np.bool_] = labels >= 0
    return known if known.ndim == 1 else np.any(known, axis=1)


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


def rule_versions(settings: SplitSettings, groups: Sequence[str], target: str) -> tuple[int, ...]:
    """List the versions of the rules by which a dataset is divided: part of the key of whatever depends on its division.

    `groups` are the group columns of the dataset's card, `target` is the kind of its target.
    """
    separated = settings.transfer or group_columns(settings, groups) or target != "class"
    return (VERSION, SEPARATION_VERSION) if separated else (VERSION,)


def _sides(labels: Rows, columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> Division:
    """Find what the data itself says of each part: its query is empty where folds decide, and so is its validation part
    where a share of the bank is taken.
    """
    known = np.flatnonzero(labels >= 0)
    key = group_key(columns, settings, groups)
    if settings.transfer:
        return _transfer(labels, columns[settings.transfer], settings, known, key)
    if has_official_split(labels, columns, settings):
        return _official(columns["split"], known, key)
    return Division(bank=known, validation=known[:0], query=known[:0])


def _official(split: NDArray[np.str_], known: Rows, key: NDArray[np.str_] | None) -> Division:
    """The test set is as published; training and validation samples of its groups are left out.

    Of a group in training and validation the training samples stay, for they are needed more.
    """
    query, bank, validation = (known[split[known] == part] for part in ("test", "train", "validation"))
    bank, bank_lost = _without_shared(key, bank, query)
    validation, validation_lost = _without_shared(key, validation, query)
    validation, in_training = _without_shared(key, validation, bank)
    left_out: dict[Reason, Rows] = {
        "group_in_test": np.concatenate([bank_lost, validation_lost]),
        "group_in_training": in_training,
        "other_part": known[~np.isin(split[known], ["train", "validation", "test"])],
    }
    return Division(bank=bank, validation=validation, query=query, left_out=_nonempty(left_out))


def _transfer(
    labels: Rows, column: NDArray[np.str_], settings: SplitSettings, known: Rows, key: NDArray[np.str_] | None
) -> Division:
    """The test set is as it would be without groups, so that it can be compared; samples of its groups leave the bank."""
    bank, asked = known[column[known] == settings.bank], known[column[known] == settings.query]
    left_out: dict[Reason, Rows] = {"other_group": known[~np.isin(column[known], [settings.bank, settings.query])]}
    if settings.bank == settings.query:
        return Division(bank=bank, validation=bank[:0], query=bank[:0], left_out=_nonempty(left_out))
    query = asked[np.isin(labels[asked], labels[bank])]
    bank, left_out["group_in_test"] = _without_shared(key, bank, query)
    query = query[np.isin(labels[query], labels[bank])]
    left_out["unknown_class"] = np.setdiff1d(asked, query)
    return Division(bank=bank, validation=bank[:0], query=query, left_out=_nonempty(left_out))


def _without_shared(key: NDArray[np.str_] | None, rows: Rows, others: Rows) -> tuple[Rows, Rows]:
    """Part rows into those whose group holds none of `others`, and the rest."""
    shared = find_shared(key, rows, others)
    return rows[~shared], rows[shared]


def _nonempty(left_out: Mapping[Reason, Rows]) -> Mapping[Reason, Rows]:
    return {reason: rows for reason, rows in left_out.items() if len(rows)}


def _find_empty_sides(sides: Division, settings: SplitSettings) -> list[str]:
    """Say why nothing is left to learn from, or to test on."""
    lost = len(sides.left_out.get("group_in_test", ()))
    if not len(sides.bank) and lost:
        told = f"splits.groups: the groups of all {lost} training samples are in the test set, so none is left"
        fix = "other values in splits.bank and splits.query" if settings.transfer else "set splits.official=false"
        return [f"{told}. Name another column in splits.groups, or {fix}"]
    if settings.transfer and not len(sides.bank):
        return [f"splits.bank: no sample of {settings.bank!r} has a label. Name another value of {settings.transfer!r}"]
    if settings.transfer and settings.bank != settings.query and not len(sides.query):
        told = f"splits.query: {settings.query!r} has no sample of a class that {settings.bank!r} has"
        return [f"{told}, so nothing is left to test. Name other values in splits.bank and splits.query"]
    if len(sides.query) and not len(sides.bank):
        return ["splits.official: no labeled sample has 'train' in column 'split'. Set splits.official=false"]
    return []


def _folds(labels: Rows, rows: Rows, key: NDArray[np.str_] | None, folds: int) -> Rows:
    """The fold [n] of each row: stratified, and no group in two folds."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # takes longer than a plan does

    if len(rows) < folds:
        raise RequestError([f"splits.folds: {len(rows)} labeled samples cannot make {folds} folds; lower it"])
    result = np.empty(len(rows), dtype=np.int64)
    if key is None:
        order = StratifiedKFold(folds, shuffle=True, random_state=VERSION).split(rows, _splittable(labels[rows], folds))
    else:
        if problems := _too_few_groups(len(set(key[rows].tolist())), max(folds, 2)):
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


def _split_validation(labels: Rows, rows: Rows, key: NDArray[np.str_] | None, share: float) -> tuple[Rows, Rows]:
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
