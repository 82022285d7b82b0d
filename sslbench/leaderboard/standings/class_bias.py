"""Behind a mean: how far apart an entry's classes are, and which it loses or wins beside a supervised row. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.class_differences import Answered, class_gaps
from sslbench.leaderboard.standings.entries import STABLE_DIGITS, Entry, EntryResult, matching_supervised, test_codes
from sslbench.leaderboard.submission.suite import SuiteData

Values = NDArray[np.float64]
SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassGap:
    """A class's recall less the supervised row's; sure where Holm's p over the entry's classes is below 5 %."""

    name: str
    recall: float
    gap: float | None
    p: float | None

    @property
    def is_significant(self) -> bool:
        """Whether there is a difference."""
        return self.p is not None and self.p < SIGNIFICANCE_LEVEL


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassBias:
    """An entry on one board, beside which row: for every class [C], hardest first, its name, recall, gap and p (nan without a
    row beside).
    """

    entry: Entry
    against: str
    names: tuple[str, ...]
    recalls: Values
    gaps: Values
    ps: Values

    @property
    def classes(self) -> list[ClassGap]:
        """Class by class."""
        rows = zip(self.names, self.recalls.tolist(), _none_for_nan(self.gaps), _none_for_nan(self.ps), strict=True)
        return [ClassGap(name=name, recall=recall, gap=gap, p=p) for name, recall, gap, p in rows]

    @property
    def worse(self) -> list[ClassGap]:
        """Classes that it surely knows worse than the supervised row, the most lost first."""
        return sorted(
            (one for one in self.classes if one.is_significant and (one.gap or 0) < 0), key=lambda one: one.gap or 0
        )

    @property
    def better(self) -> list[ClassGap]:
        """Classes that it surely knows better."""
        return sorted(
            (one for one in self.classes if one.is_significant and (one.gap or 0) > 0), key=lambda one: -(one.gap or 0)
        )

    @property
    def is_comparable(self) -> bool:
        """Whether classes can be compared: there is a supervised row, and both have more than one seed."""
        return bool(self.against) and not np.isnan(self.ps).all()

    @property
    def undecided_reason(self) -> str:
        """Why they cannot."""
        return "undecided: one seed" if self.against else "–"

    @property
    def spread(self) -> float:
        """The best class's recall less the worst's."""
        return float(self.recalls[-1] - self.recalls[0])


def _none_for_nan(values: Values) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def class_biases(
    data: SuiteData, lines: Iterable[EntryResult], taught: Mapping[str, EntryResult]
) -> Iterator[ClassBias]:
    """One of every ranked line that predicts, of one dataset and protocol, beside the supervised row like it."""
    codes = test_codes(data)[0]
    for line in lines:
        if line.answered is None or not line.entry.is_ranked:
            continue
        other = matching_supervised(line.entry, taught)
        recalls, gaps, ps = _compare_classes(codes, line.answered, other.answered if other else None)
        known = [name not in line.untrained_classes for name in data.classes] & ~np.isnan(recalls)
        there = np.flatnonzero(known).tolist()
        order = [
            code for _, _, code in sorted((round(float(recalls[c]), STABLE_DIGITS), data.classes[c], c) for c in there)
        ]
        yield ClassBias(
            entry=line.entry, against=other.entry.name if other else "", names=tuple(data.classes[c] for c in order),
            recalls=recalls[order], gaps=gaps[order], ps=ps[order],
        )  # fmt: skip


def recall_order(one: ClassBias) -> tuple[float, str]:
    """What entries are ordered by: the best mean recall first, then names."""
    return -round(float(one.recalls.mean()), STABLE_DIGITS), one.entry.name


def _compare_classes(codes: NDArray[np.int64], own: Answered, other: Answered | None) -> tuple[Values, Values, Values]:
    """Mean recall of every class, and where there is another row its gap and p, else nan."""
    recalls = own.recalls.mean(0)
    unknown = np.full(len(recalls), np.nan)
    return recalls, *(class_gaps(own, other, codes) if other else (unknown, unknown))


def count_worse_classes(found: Iterable[ClassBias]) -> list[tuple[str, int, int]]:
    """(class, entries that surely lose it, entries compared) of one board, the most often lost first."""
    counts, compared = Counter[str](), 0
    for one in found:
        compared += one.is_comparable
        counts.update(compress(one.names, ((one.gaps < 0) & (one.ps < SIGNIFICANCE_LEVEL)).tolist()))
    return [(name, count, compared) for name, count in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))]
