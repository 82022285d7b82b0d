"""Behind a mean: how far apart an entry's classes are, and which it loses or wins beside a supervised row. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.class_gaps import class_gaps
from sslbench.leaderboard.lines import Entry, Line, alike, samples, taught_rows
from sslbench.leaderboard.suite import Suite, SuiteData

SURE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A class's recall less the supervised row's; sure where Holm's p over the entry's classes is below 5 %."""

    name: str
    recall: float
    gap: float | None
    p: float | None

    @property
    def sure(self) -> bool:
        """Whether there is a difference."""
        return self.p is not None and self.p < SURE


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """An entry on one board: every class, hardest first, beside which row."""

    line: Line
    against: str
    classes: tuple[Gap, ...]

    @property
    def lost(self) -> list[Gap]:
        """Classes that it surely knows worse than the supervised row, the most lost first."""
        return sorted((one for one in self.classes if one.sure and (one.gap or 0) < 0), key=lambda one: one.gap or 0)

    @property
    def won(self) -> list[Gap]:
        """Classes that it surely knows better."""
        return sorted((one for one in self.classes if one.sure and (one.gap or 0) > 0), key=lambda one: -(one.gap or 0))

    @property
    def mean(self) -> float:
        """Over classes."""
        return fmean(one.recall for one in self.classes)

    @property
    def spread(self) -> float:
        """The best class's recall less the worst's."""
        recalls = [one.recall for one in self.classes]
        return max(recalls) - min(recalls)


def biases(suite: Suite, by_run: Mapping[str, Entry], lines: Sequence[Line]) -> list[Bias]:
    """Every predicting line, by dataset and protocol, the best mean recall first."""
    taught = taught_rows(by_run, lines)
    by_place = {(line.run, line.dataset, line.protocol): line for line in lines}
    found = []
    for line in lines:
        if line.recalls is None:
            continue
        entry = by_run[line.run]
        row = None if entry.supervised else alike(entry, taught.get((line.dataset, line.protocol), []))
        other = by_place[row.run, line.dataset, line.protocol] if row else None
        against = row.entry if row else ""
        classes = _gaps(suite.datasets[line.dataset], line, line.recalls.mean(0), other)
        found.append(Bias(line=line, against=against, classes=classes))
    return sorted(found, key=lambda one: (one.line.dataset, one.line.protocol, -one.mean, one.line.entry))


def _gaps(data: SuiteData, line: Line, means: NDArray[np.float64], other: Line | None) -> tuple[Gap, ...]:
    gap, p = [None] * len(means), [None] * len(means)
    if other is not None and line.answered is not None and other.answered is not None:
        gap, p = (one.tolist() for one in class_gaps(line.answered, other.answered, samples(data)[0]))
    gaps = [
        Gap(name=name, recall=float(means[code]), gap=gap[code], p=p[code])
        for code, name in enumerate(data.classes)
        if not np.isnan(means[code])
    ]
    return tuple(sorted(gaps, key=lambda one: (one.recall, one.name)))


def often_lost(found: Sequence[Bias]) -> list[tuple[str, int, int]]:
    """(class, entries that surely lose it, entries compared) of one board, the most often lost first."""
    compared = [one for one in found if one.against]
    counts: dict[str, int] = {}
    for one in compared:
        for lost in one.lost:
            counts[lost.name] = counts.get(lost.name, 0) + 1
    return [(name, count, len(compared)) for name, count in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))]
