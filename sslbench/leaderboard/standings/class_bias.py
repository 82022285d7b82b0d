"""Compare the classes, labels or numbers of an entry with those of another row: supervised, or the best. Performs no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.statistics.class_differences import RecallStatistics, class_gaps
from sslbench.analysis.statistics.run_comparison import SIGNIFICANCE
from sslbench.leaderboard.standings.entries import STABLE_DIGITS, Entry, EntryResult, test_codes
from sslbench.leaderboard.standings.label_results import compare_labels
from sslbench.leaderboard.submission.suite import SuiteData

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassGap:
    """The recall of a class and its difference from the other row; `p` is corrected by Holm over the classes."""

    name: str
    recall: float
    gap: float | None
    p: float | None

    @property
    def is_significant(self) -> bool:
        """Return whether the difference is significant at 5 %."""
        return self.p is not None and self.p < SIGNIFICANCE


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassBias:
    """The classes, labels or numbers of one entry on one board, hardest first.

    `metric` names the recalls: for labels and numbers it is the first metric of their kind of target. `against` is the
    other entry ('' if there is none). `recalls`, `gaps` and `ps` are [C]; gaps and ps are nan without such an entry.
    """

    entry: Entry
    against: str
    metric: str
    names: tuple[str, ...]
    recalls: Values
    gaps: Values
    ps: Values

    @property
    def classes(self) -> list[ClassGap]:
        """Return one ClassGap per class."""
        rows = zip(self.names, self.recalls.tolist(), _none_for_nan(self.gaps), _none_for_nan(self.ps), strict=True)
        return [ClassGap(name=name, recall=recall, gap=gap, p=p) for name, recall, gap, p in rows]

    @property
    def worse(self) -> list[ClassGap]:
        """Return the classes that are significantly worse than in the other row, worst first."""
        return sorted(
            (one for one in self.classes if one.is_significant and (one.gap or 0) < 0), key=lambda one: one.gap or 0
        )

    @property
    def better(self) -> list[ClassGap]:
        """Return the classes that are significantly better than in the other row, best first."""
        return sorted(
            (one for one in self.classes if one.is_significant and (one.gap or 0) > 0), key=lambda one: -(one.gap or 0)
        )

    @property
    def is_comparable(self) -> bool:
        """Return whether classes can be compared: both rows have more than one seed."""
        return bool(self.against) and not np.isnan(self.ps).all()

    @property
    def undecided_reason(self) -> str:
        """Return why classes cannot be compared."""
        return "undecided: one seed" if self.against else "–"

    @property
    def spread(self) -> float:
        """Return the largest recall minus the smallest."""
        return float(self.recalls[-1] - self.recalls[0])


def _none_for_nan(values: Values) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def class_biases(
    data: SuiteData, results: Iterable[EntryResult], find_reference: Callable[[EntryResult], EntryResult | None]
) -> Iterator[ClassBias]:
    """Compare every ranked result of a board that has predictions with its reference."""
    codes = test_codes(data)[0]
    for result in results:
        if result.scores_by_name is None or not result.entry.is_ranked:
            continue
        other = find_reference(result)
        if result.labels is not None:
            recalls = result.labels.scores
            gaps, ps = compare_labels(result.labels, other.labels if other else None)
        elif result.answered is not None:
            recalls, gaps, ps = _compare_classes(codes, result.answered, other.answered if other else None)
        known = [name not in result.untrained_classes for name in data.classes] & ~np.isnan(recalls)
        shown = np.flatnonzero(known).tolist()
        order = [
            code for _, _, code in sorted((round(float(recalls[c]), STABLE_DIGITS), data.classes[c], c) for c in shown)
        ]
        yield ClassBias(
            entry=result.entry, against=other.entry.name if other else "", metric=result.metric_by_name,
            names=tuple(data.classes[c] for c in order), recalls=recalls[order], gaps=gaps[order], ps=ps[order],
        )  # fmt: skip


def recall_order(one: ClassBias) -> tuple[float, str]:
    """Return the sort key of entries: the highest mean recall first, then the name."""
    return -round(float(one.recalls.mean()), STABLE_DIGITS), one.entry.name


def _compare_classes(
    codes: NDArray[np.int64], own: RecallStatistics, other: RecallStatistics | None
) -> tuple[Values, Values, Values]:
    """Return mean recall, gap and p of every class [C]; gap and p are nan without another row."""
    recalls = own.recalls.mean(0)
    unknown = np.full(len(recalls), np.nan)
    return recalls, *(class_gaps(own, other, codes) if other else (unknown, unknown))


def count_worse_classes(rows: Iterable[ClassBias]) -> list[tuple[str, int, int]]:
    """Count by class the entries that are significantly worse on it.

    Returns (class, entries that are worse, entries compared), the largest count first.
    """
    counts, compared = Counter[str](), 0
    for one in rows:
        compared += one.is_comparable
        counts.update(compress(one.names, ((one.gaps < 0) & (one.ps < SIGNIFICANCE)).tolist()))
    return [(name, count, compared) for name, count in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))]
