"""Read lists of the ids of labeled training samples, such as published subsets of 1 % of a dataset, and check them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.errors import RequestError
from sslbench.api.suggestions import did_you_mean
from sslbench.api.targets import Labels, kind_of_labels
from sslbench.data.groups import Rows, find_shared
from sslbench.data.key_form import digest
from sslbench.data.splits import Division

SETTING = "splits.label_lists"
TABLES = {".csv": ",", ".tsv": "\t"}
"""Endings of files with columns, and what separates these."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelList:
    """The ids of the labeled training samples of a task, and the list's name in tables; both are part of stage keys."""

    name: str
    ids: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """Return the digest of the ids, independent of their order."""
        return digest(sorted(self.ids))

    def key_form(self) -> dict[str, str]:
        """Return the content of a stage key."""
        return {"name": self.name, "ids": self.digest}


def read_label_lists(texts: Sequence[str], offered: Mapping[str, Sequence[str]]) -> tuple[LabelList, ...]:
    """Read every list: one that the dataset offers, or a file. Raises RequestError with every problem."""
    problems, found = list[str](), list[LabelList]()
    for text in texts:
        try:
            found.append(_read_list(text, offered))
        except ValueError as error:
            problems.append(f"{SETTING}={text}: {error}")
    twice = [name for name, count in Counter(one.name for one in found).items() if count > 1]
    problems += [f"{SETTING}: two lists have the name {name!r}. Rename one of the files" for name in twice]
    if problems:
        raise RequestError(problems)
    return tuple(found)


def _read_list(text: str, offered: Mapping[str, Sequence[str]]) -> LabelList:
    if text in offered:
        return LabelList(name=text, ids=tuple(map(str, offered[text])))
    path, column = Path(text).expanduser(), ""
    if not path.is_file() and ":" in text:
        before, _, column = text.rpartition(":")
        path = Path(before).expanduser()
    if not path.is_file():
        own = f"the data offers {', '.join(offered)}" if offered else "the data offers no lists"
        hint = did_you_mean(text, offered)
        raise ValueError(
            f"neither a file nor a list of the data{hint or f' ({own})'}. Name a file with one id per line"
        )
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read: {' '.join(str(error).split())}. Name a text file") from error
    separator = TABLES.get(path.suffix.lower())
    if separator is None:
        if column:
            raise ValueError(f"{path.name} has no columns. Remove ':{column}', or name a .csv or .tsv file")
        ids = [line.strip() for line in content.splitlines() if line.strip()]
    else:
        ids = _read_column(content, separator, column)
    if not ids:
        raise ValueError("contains no id. Write one id per line")
    return LabelList(name=path.stem, ids=tuple(ids))


def _read_column(content: str, separator: str, column: str) -> list[str]:
    rows = list(csv.DictReader(content.splitlines(), delimiter=separator))
    names = list(rows[0]) if rows else []
    name = column or ("id" if "id" in names else names[0] if len(names) == 1 else "")
    if name not in names:
        found = f"has no column {name!r}" if name else "has several columns"
        raise ValueError(f"{found}; possible: {', '.join(map(str, names)) or 'none'}. Write FILE:COLUMN")
    return [text for row in rows if (text := (row[name] or "").strip())]


def divide_by_list(
    subset: LabelList, ids: NDArray[np.str_], division: Division, key: NDArray[np.str_] | None
) -> tuple[Rows, Rows]:
    """Return the listed training rows, and the validation rows that are neither listed nor in a group [n] of `key` with them.

    Listed validation samples are trained on. Ids that the table lacks, such as those of unreadable files, are left out.
    """
    known = np.union1d(division.bank, division.validation)
    bank = known[np.isin(ids[known], np.array(subset.ids, np.str_))]
    validation = np.setdiff1d(division.validation, bank)
    return bank, validation[~find_shared(key, validation, bank)]


def find_list_problems(
    subset: LabelList, ids: NDArray[np.str_], labels: Labels, names: Sequence[str], divisions: Mapping[int, Any],
    key: NDArray[np.str_] | None,
) -> Iterator[str]:  # fmt: skip
    """Yield why a list cannot be trained on: ids twice, unknown or in a test set, or classes without any of its samples."""
    start, listed = f"{SETTING}: list {subset.name!r}", set(subset.ids)
    if twice := [one for one, count in Counter(subset.ids).items() if count > 1]:
        yield f"{start} has {_count(twice, 'id')} twice. Remove the duplicates"
    if unknown := sorted(listed - set(ids.tolist())):
        yield f"{start} has {_count(unknown, 'id')} that the data lacks. Its ids are such as {str(ids[0])!r}"
        return
    kind = kind_of_labels(labels)
    rows = np.flatnonzero(np.isin(ids, np.array(subset.ids, np.str_)))
    if len(unlabeled := rows[~kind.is_labeled(labels[rows])]):
        yield f"{start} has {_count(ids[unlabeled].tolist(), 'sample')} without a label. Remove them"
    for fold, division in divisions.items():
        yield from (
            f"{start}, fold {fold}: {one}" for one in _fold_problems(subset, ids, labels, names, division, rows, key)
        )


def _fold_problems(
    subset: LabelList, ids: NDArray[np.str_], labels: Labels, names: Sequence[str], division: Division, rows: Rows,
    key: NDArray[np.str_] | None,
) -> Iterator[str]:  # fmt: skip
    if len(tested := np.intersect1d(rows, division.query)):
        yield f"the test set contains {_count(ids[tested].tolist(), 'id')}. Remove them, or set folds to one without them"
        return
    if len(shared := rows[find_shared(key, rows, division.query)]):
        yield f"groups of the test set contain {_count(ids[shared].tolist(), 'id')}. Remove them"
        return
    bank, validation = divide_by_list(subset, ids, division, key)
    if len(division.validation) and not len(validation):
        yield "no validation sample is left. Remove ids, so that some training samples are not listed"
    kind = kind_of_labels(labels)
    counts, available = (kind.count(labels[some], names) for some in (bank, division.bank))
    if empty := [name for name, own, all_rows in zip(names, counts, available, strict=True) if all_rows and not own]:
        yield f"{_count(empty, kind.unit, kind.units)} without a listed sample. Add ids of every {kind.unit}"


def _count(values: Sequence[str], noun: str, several: str = "") -> str:
    """Count things, and name the first."""
    many = f"{len(values):,} {noun if len(values) == 1 else several or f'{noun}s'}"
    return f"{many} ({values[0]!r})" if len(values) == 1 else f"{many} (such as {values[0]!r})"
