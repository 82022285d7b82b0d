"""Behind a mean: how far apart an entry's classes are, and which it loses or wins beside a supervised row. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from sslbench.analysis.class_gaps import Answered, class_gaps
from sslbench.leaderboard.lines import SETTLED, Entry, Line, alike, by_place, samples, taught_rows
from sslbench.leaderboard.suite import Suite

Values = NDArray[np.float64]
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bias:
    """An entry on one board, beside which row: for every class [C], hardest first, its name, recall, gap and p (nan without a
    row beside).
    """

    line: Line
    against: str
    names: tuple[str, ...]
    recalls: Values
    gaps: Values
    ps: Values

    @property
    def classes(self) -> list[Gap]:
        """Class by class."""
        rows = zip(self.names, self.recalls.tolist(), _told(self.gaps), _told(self.ps), strict=True)
        return [Gap(name=name, recall=recall, gap=gap, p=p) for name, recall, gap, p in rows]

    @property
    def lost(self) -> list[Gap]:
        """Classes that it surely knows worse than the supervised row, the most lost first."""
        return sorted((one for one in self.classes if one.sure and (one.gap or 0) < 0), key=lambda one: one.gap or 0)

    @property
    def won(self) -> list[Gap]:
        """Classes that it surely knows better."""
        return sorted((one for one in self.classes if one.sure and (one.gap or 0) > 0), key=lambda one: -(one.gap or 0))

    @property
    def spread(self) -> float:
        """The best class's recall less the worst's."""
        return float(self.recalls[-1] - self.recalls[0])


def _told(values: Values) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def biases(suite: Suite, by_run: Mapping[str, Entry], lines: Sequence[Line]) -> list[Bias]:
    """Every predicting line, by dataset and protocol, the best mean recall first."""
    taught = taught_rows(by_run, lines)
    found = []
    for place, own in by_place(lines).items():
        data = suite.datasets[place[0]]
        codes, here = samples(data)[0], {line.run: line.answered for line in own if line.answered is not None}
        for line in [line for line in own if line.run in here]:
            entry = by_run[line.run]
            row = None if entry.supervised else alike(entry, taught.get(place, []))
            recalls, gaps, ps = _beside(codes, here[line.run], here[row.run] if row else None)
            there = [code for code, recall in enumerate(recalls.tolist()) if not np.isnan(recall)]
            order = sorted(there, key=lambda code: (round(float(recalls[code]), SETTLED), data.classes[code]))
            found.append(Bias(
                line=line, against=row.entry if row else "", names=tuple(data.classes[code] for code in order),
                recalls=recalls[order], gaps=gaps[order], ps=ps[order],
            ))  # fmt: skip
    return sorted(
        found,
        key=lambda one: (
            one.line.dataset,
            one.line.protocol,
            -round(float(one.recalls.mean()), SETTLED),
            one.line.entry,
        ),
    )


def _beside(codes: NDArray[np.int64], own: Answered, other: Answered | None) -> tuple[Values, Values, Values]:
    """Mean recall of every class, and where there is another row its gap and p, else nan."""
    recalls = own.recalls.mean(0)
    unknown = np.full(len(recalls), np.nan)
    return recalls, *(class_gaps(own, other, codes) if other else (unknown, unknown))


def often_lost(found: Sequence[Bias]) -> list[tuple[str, int, int]]:
    """(class, entries that surely lose it, entries compared) of one board, the most often lost first."""
    compared = [one for one in found if one.against]
    counts = Counter(
        name for one in compared for name in compress(one.names, ((one.gaps < 0) & (one.ps < SURE)).tolist())
    )
    return [(name, count, len(compared)) for name, count in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))]
