"""Divide labeled samples into training, validation and test rows.

A split does not depend on a run's seed: the same data and settings always give the same split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from sslbench.api.errors import RequestError
from sslbench.api.ranges import NonNegativeFloat, Range, Several
from sslbench.api.settings import setting
from sslbench.api.targets import Labels, kind_of, kind_of_labels
from sslbench.api.values import Target
from sslbench.data.groups import UNGROUPED, Columns, Rows, find_non_numbers, find_shared, group_columns, group_key
from sslbench.data.official_splits import PARTS, count_official_splits, name_official_split, official_parts

VERSION = 1
SEPARATION_VERSION = 1
"""Version of the rules that keep groups, transfers and unlabeled test samples apart."""

Reason = Literal["group_in_test", "group_in_training", "unknown_class", "other_part", "other_group"]
"""Reason for leaving out a labeled sample: its group is in the test set; it is a validation sample whose group is in the
training set; its class is not in the bank of a transfer; its 'split' is not train, validation or test; its value in the
transfer column is neither `splits.bank` nor `splits.query`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSettings:
    """Settings of the division into training (bank), validation and test (query) samples.

    If a group has samples on both sides of a transfer or of the official split, the test set keeps its samples; the others
    of that group are left out and counted in the record.
    """

    folds: Annotated[int, Range(at_least=2)] = setting(5, "Folds of data without an official test set.")
    validation: Annotated[float, Range(at_least=0, below=1)] = setting(
        0.15, "Share of the training samples that is used for validation, if the data has no validation part (0: none)."
    )
    groups: str = setting(
        "",
        "Column whose equal values keep samples on one side of a split ('': the columns of the dataset's card; none: keep "
        "no samples together).",
    )
    group_gap: NonNegativeFloat = setting(
        0.0,
        "Largest difference of successive numbers in `groups`, such as seconds, that keeps samples together (0: only equal "
        "values).",
        old_names=("block",),
    )
    transfer: str = setting(
        "",
        "Column that defines a transfer: train on samples with value `bank`, test on those with value `query` ('': off).",
    )
    bank: str = setting("", "Value of the column `transfer` of the training samples.")
    query: str = setting(
        "",
        "Value of the column `transfer` of the test samples; the same value as `bank` divides its samples into folds.",
    )
    official: bool = setting(True, "Use the dataset's official test set, if it has one, instead of folds.")
    label_fractions: Several[Annotated[float, Range(above=0, at_most=1)]] = setting(
        (1.0,),
        "Shares of the training labels on which protocols that use labels are trained, each evaluated separately.",
        old_names=("fractions",),
    )
    label_lists: Several[str] = setting(
        (),
        "Lists of ids of labeled training samples, each evaluated like a share: files with one id per line, FILE.csv:COLUMN, "
        "or names of lists that the dataset offers.",
        identity=False,  # the ids themselves are part of the keys
        names_file=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Division:
    """The rows of one fold; `left_out` are the labeled rows in none of the three parts, by reason."""

    bank: Rows
    validation: Rows
    query: Rows
    left_out: Mapping[Reason, Rows] = field(default_factory=dict)


def find_unused_settings(settings: SplitSettings) -> list[str]:
    """Return one message per setting that has no effect without another one."""
    values = {"splits.bank": settings.bank, "splits.query": settings.query}
    problems = [
        f"{path}={value}: has no effect without splits.transfer. Set it to the column that contains {value!r}"
        for path, value in values.items()
        if value and not settings.transfer
    ]
    if not settings.label_fractions and not settings.label_lists:
        problems.append("splits.label_fractions: is empty, and so is splits.label_lists. Name one of them")
    if settings.group_gap and settings.groups in ("", UNGROUPED):
        problems.append(
            f"splits.group_gap={settings.group_gap:g}: has no effect without splits.groups. Set it to a column of numbers"
        )
    return problems


def find_missing_columns(columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> list[str]:
    """Return one message per column, and per value of a transfer, that settings or card name and the data lacks."""
    needed = [("splits.groups", name) for name in group_columns(settings, groups)]
    needed.append(("splits.transfer", settings.transfer))
    missing = [(path, name) for path, name in needed if name and name not in columns]
    possible = ", ".join(sorted(columns))
    problems = [f"{path}: the data has no column {name!r}; possible: {possible}" for path, name in missing]
    problems += find_invalid_gaps(columns, settings)
    if settings.transfer not in columns:
        return problems
    names = sorted(set(columns[settings.transfer].tolist()))
    for path, value in (("splits.bank", settings.bank), ("splits.query", settings.query)):
        if value not in names:
            problems.append(f"{path}: {settings.transfer!r} has no value {value!r}; possible: {', '.join(names)}")
    return problems


def division_errors(labels: Labels, columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> list[str]:
    """Return why a dataset cannot be divided: missing columns, empty parts, or fewer groups than parts."""
    if problems := find_missing_columns(columns, settings, groups):
        return problems
    for fold in reversed(range(max(1, count_official_splits(columns)))):
        sides = _sides(labels, columns, settings, fold, groups)
        if problems := _find_empty_sides(sides, settings, name_official_split(columns, fold)):
            return problems
    key = group_key(columns, settings, groups)
    if key is None:
        return []
    takes_validation = settings.validation > 0 and not len(sides.validation)
    parts = 1 + takes_validation if len(sides.query) else max(settings.folds, 2 + takes_validation)
    problems = _too_few_groups(len(set(key[sides.bank].tolist())), parts)
    if problems or len(sides.query) or not takes_validation or settings.folds > 2:
        return problems
    folds = _folds(labels, sides.bank, key, settings.folds)  # with two folds, one may be a single large group
    return _too_few_groups(min(len(set(key[sides.bank[folds != fold]].tolist())) for fold in range(settings.folds)), 2)


def find_invalid_gaps(columns: Columns, settings: SplitSettings) -> list[str]:
    """Return a message if `splits.group_gap` is set and the column in `splits.groups` has values that are not numbers."""
    wrong = find_non_numbers(columns[settings.groups]) if settings.group_gap and settings.groups in columns else []
    need = f"splits.group_gap={settings.group_gap:g}: needs numbers in column {settings.groups!r}"
    return [f"{need}, but {len(wrong)} of its values are not numbers, such as {wrong[0]!r}"] if wrong else []


def _too_few_groups(groups: int, parts: int) -> list[str]:
    problem = f"splits.groups: {groups} group(s) of samples cannot be divided into {parts} parts"
    fix = "Lower splits.folds, set splits.validation=0, or allow groups on both sides with splits.groups=none"
    return [] if groups >= parts else [f"{problem}. {fix}"]


def divide(labels: Labels, columns: Columns, settings: SplitSettings, fold: int, groups: Sequence[str]) -> Division:
    """Divide the labeled rows of one dataset for one fold.

    `groups` are the group columns of the dataset's card. Raises RequestError for a column or part that does not exist.
    """
    if problems := find_missing_columns(columns, settings, groups):
        raise RequestError(problems)
    sides = _sides(labels, columns, settings, fold, groups)
    if problems := _find_empty_sides(sides, settings, name_official_split(columns, fold)):
        raise RequestError(problems)
    key = group_key(columns, settings, groups)
    bank, validation, query = sides.bank, sides.validation, sides.query
    if not len(query):
        folds = _folds(labels, bank, key, settings.folds)
        bank, query = bank[folds != fold], bank[folds == fold]
    if not len(validation):
        bank, validation = _split_validation(labels, bank, key, settings.validation)
    return Division(bank=bank, validation=validation, query=query, left_out=sides.left_out)


def estimate_bank(labels: Labels, columns: Columns, settings: SplitSettings, groups: Sequence[str]) -> int:
    """Estimate the number of labeled training rows of one fold without dividing them.

    All labeled rows count if the settings name a column that the data lacks, such as a placeholder's.
    """
    if find_missing_columns(columns, settings, groups):
        return int(is_labeled(labels).sum())
    sides = _sides(labels, columns, settings, 0, groups)
    share = 1.0 if len(sides.query) else 1 - 1 / settings.folds
    return round(len(sides.bank) * share * (1.0 if len(sides.validation) else 1 - settings.validation))


def has_official_split(labels: Labels, columns: Columns, settings: SplitSettings) -> bool:
    """Return whether the data or the transfer defines the test set, so that there are no folds."""
    if settings.transfer:
        return settings.bank != settings.query
    splits = [official_parts(columns, fold) for fold in range(count_official_splits(columns))]
    known = is_labeled(labels)
    return settings.official and any(parts is not None and "test" in set(parts[known].tolist()) for parts in splits)


def count_folds(labels: Labels, columns: Columns, settings: SplitSettings) -> int:
    """Return the number of folds: the official splits of the data, 1 for a transfer, else `splits.folds`."""
    if not has_official_split(labels, columns, settings):
        return settings.folds
    return 1 if settings.transfer else count_official_splits(columns)


def is_labeled(labels: Labels) -> NDArray[np.bool_]:
    """Return a mask [n] of the samples with at least one known label."""
    return kind_of_labels(labels).is_labeled(labels)


def rule_versions(settings: SplitSettings, groups: Sequence[str], target: Target) -> tuple[int, ...]:
    """Return the versions of the rules that divide a dataset, which are part of stage keys.

    `groups` are the group columns of the dataset's card.
    """
    separated = bool(settings.transfer or group_columns(settings, groups))
    return (VERSION, *(kind_of(target).rule or (SEPARATION_VERSION,) * separated))


def _sides(labels: Labels, columns: Columns, settings: SplitSettings, fold: int, groups: Sequence[str]) -> Division:
    """Find the parts that the data defines for a fold: the query is empty if folds decide, the validation if it is drawn."""
    known = np.flatnonzero(is_labeled(labels))
    key = group_key(columns, settings, groups)
    if settings.transfer:
        return _transfer(labels, columns[settings.transfer], settings, known, key)
    parts = official_parts(columns, fold)
    if parts is not None and has_official_split(labels, columns, settings):
        return _official(parts, known, key)
    return Division(bank=known, validation=known[:0], query=known[:0])


def _official(split: NDArray[np.str_], known: Rows, key: NDArray[np.str_] | None) -> Division:
    """Divide by the official split: leave out training and validation samples whose group is in the test set.

    Of a group in training and validation the training samples are kept.
    """
    query, bank, validation = (known[split[known] == part] for part in ("test", "train", "validation"))
    bank, bank_removed = _without_shared(key, bank, query)
    validation, validation_removed = _without_shared(key, validation, query)
    validation, in_training = _without_shared(key, validation, bank)
    left_out: dict[Reason, Rows] = {
        "group_in_test": np.concatenate([bank_removed, validation_removed]),
        "group_in_training": in_training,
        "other_part": known[~np.isin(split[known], PARTS)],
    }
    return Division(bank=bank, validation=validation, query=query, left_out=_nonempty(left_out))


def _transfer(
    labels: Labels, column: NDArray[np.str_], settings: SplitSettings, known: Rows, key: NDArray[np.str_] | None
) -> Division:
    """Divide by a transfer: the test set does not depend on groups; samples of its groups are removed from the bank."""
    bank, candidates = known[column[known] == settings.bank], known[column[known] == settings.query]
    left_out: dict[Reason, Rows] = {"other_group": known[~np.isin(column[known], [settings.bank, settings.query])]}
    if settings.bank == settings.query:
        return Division(bank=bank, validation=bank[:0], query=bank[:0], left_out=_nonempty(left_out))
    query = _covered(labels, candidates, bank)
    bank, left_out["group_in_test"] = _without_shared(key, bank, query)
    query = _covered(labels, query, bank)
    left_out["unknown_class"] = np.setdiff1d(candidates, query)
    return Division(bank=bank, validation=bank[:0], query=query, left_out=_nonempty(left_out))


def _covered(labels: Labels, rows: Rows, bank: Rows) -> Rows:
    """Return the rows whose label can be learned from the bank."""
    return rows[kind_of_labels(labels).is_covered(labels[rows], labels[bank])]


def _without_shared(key: NDArray[np.str_] | None, rows: Rows, others: Rows) -> tuple[Rows, Rows]:
    """Separate rows into those whose group contains none of `others`, and the rest."""
    shared = find_shared(key, rows, others)
    return rows[~shared], rows[shared]


def _nonempty(left_out: Mapping[Reason, Rows]) -> Mapping[Reason, Rows]:
    return {reason: rows for reason, rows in left_out.items() if len(rows)}


def _find_empty_sides(sides: Division, settings: SplitSettings, split: str) -> list[str]:
    """Return why there are no training samples or no test samples."""
    removed = len(sides.left_out.get("group_in_test", ()))
    if not len(sides.bank) and removed:
        problem = f"splits.groups: the groups of all {removed} training samples are in the test set, so none is left"
        fix = "other values in splits.bank and splits.query" if settings.transfer else "set splits.official=false"
        return [f"{problem}. Name another column in splits.groups, or {fix}"]
    if settings.transfer and not len(sides.bank):
        return [
            f"splits.bank={settings.bank}: no sample with this value has a label. Use another value of {settings.transfer!r}"
        ]
    if settings.transfer and settings.bank != settings.query and not len(sides.query):
        problem = f"splits.query={settings.query}: has no sample of a class that {settings.bank!r} has"
        return [f"{problem}, so there are no test samples. Use other values of splits.bank and splits.query"]
    if len(sides.query) and not len(sides.bank):
        return [f"splits.official: no labeled sample has 'train' in column {split!r}. Set splits.official=false"]
    return []


def _folds(labels: Labels, rows: Rows, key: NDArray[np.str_] | None, folds: int) -> Rows:
    """Return the fold [n] of each row: stratified, with each group in one fold."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # imported here because it is slow

    if len(rows) < folds:
        problem = f"splits.folds={folds}: {len(rows)} labeled sample(s) are too few for {folds} folds"
        raise RequestError([f"{problem}. Lower it"])
    result, strata = np.empty(len(rows), dtype=np.int64), kind_of_labels(labels).make_strata(labels[rows])
    if key is None:
        order = StratifiedKFold(folds, shuffle=True, random_state=VERSION).split(rows, _splittable(strata, folds))
    else:
        if problems := _too_few_groups(len(set(key[rows].tolist())), max(folds, 2)):
            raise RequestError(problems)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=VERSION)
        order = splitter.split(rows, _splittable(strata, folds), key[rows])
    for fold, (_, test) in enumerate(order):
        result[test] = fold
    return result


def _splittable(strata: Rows, folds: int) -> Rows:
    """Join the strata with fewer members than folds, of which scikit-learn would warn."""
    codes, counts = np.unique(strata, return_counts=True)
    small = codes[counts < folds]
    joined = np.where(np.isin(strata, small), -1, strata)
    if 0 < (joined == -1).sum() < folds:  # still too few: they join the largest stratum
        joined = np.where(joined == -1, codes[np.argmax(counts)], joined)
    return joined


def _split_validation(labels: Labels, rows: Rows, key: NDArray[np.str_] | None, share: float) -> tuple[Rows, Rows]:
    """Draw a stratified share for validation; every stratum keeps at least one training row."""
    if share <= 0:
        return rows, rows[:0]
    if key is not None:
        parts = _folds(labels, rows, key, min(max(2, round(1 / share)), len(set(key[rows].tolist()))))
        return rows[parts != 0], rows[parts == 0]
    rng = np.random.default_rng([VERSION, len(rows)])
    strata = kind_of_labels(labels).make_strata(labels[rows])
    shuffled = [rng.permutation(rows[strata == code]) for code in np.unique(strata)]
    exact = np.array([share * len(members) for members in shuffled])
    sizes = np.floor(exact).astype(int)
    for place in np.argsort(sizes - exact, kind="stable")[: round(exact.sum()) - sizes.sum()]:
        sizes[place] += 1
    chosen = [members[: min(size, len(members) - 1)] for members, size in zip(shuffled, sizes, strict=True)]
    validation = np.sort(np.concatenate(chosen)) if chosen else rows[:0]
    return np.setdiff1d(rows, validation), validation
