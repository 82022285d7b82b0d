"""Decide which metrics a suite's tables show, and which of them order its entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sslbench.api.metrics import Derivation, Metric
from sslbench.api.targets import KINDS
from sslbench.catalog.metrics import PREDICTIONS, MetricTable
from sslbench.leaderboard.submission.suite import Suite
from sslbench.leaderboard.submission.versions import InstalledProtocol, current_name

RECOMPUTED = (*PREDICTIONS, Derivation.CLUSTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreColumn:
    """A column of scores: the metric as it is named now, and the name that the suite's records use."""

    metric: Metric
    stored_name: str

    @property
    def is_reported(self) -> bool:
        """Return whether its numbers cannot be computed again from submitted files; they never order entries."""
        return self.metric.derived_from not in RECOMPUTED

    @property
    def of_encoders(self) -> bool:
        """Return whether another protocol has the number, which describes the encoders."""
        return self.metric.derived_from not in PREDICTIONS

    @property
    def title(self) -> str:
        """Return its head."""
        return f"{self.metric.title} (reported)" if self.is_reported else self.metric.title


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteMetrics:
    """The metrics of a suite.

    ranking: metrics that order entries: each by the first one that it has, and those with an earlier one first.
    accuracies: metrics that are means of right answers.
    columns: shown metrics, the first of `ranking` first.
    """

    ranking: tuple[Metric, ...]
    accuracies: tuple[Metric, ...]
    columns: tuple[ScoreColumn, ...]

    @property
    def main(self) -> Metric:
        """Return the metric of the suite."""
        return self.ranking[0]

    @property
    def scores(self) -> tuple[ScoreColumn, ...]:
        """Return the columns that can be computed again."""
        return tuple(column for column in self.columns if not column.is_reported)

    @property
    def reported(self) -> tuple[ScoreColumn, ...]:
        """Return the columns as reported."""
        return tuple(column for column in self.columns if column.is_reported)

    @property
    def without_samples(self) -> tuple[ScoreColumn, ...]:
        """Return the columns whose intervals cover seeds alone."""
        return tuple(column for column in self.scores if not column.metric.covers_samples)


def suite_metrics(suite: Suite, metrics: MetricTable, installed: Mapping[str, InstalledProtocol]) -> SuiteMetrics:
    """Collect the metrics of a suite; one that is not installed has its name as title."""
    first = [metrics.find(suite.ranked_by)] if suite.ranked_by else []
    recomputed = [one for one in metrics.mains if one.derived_from in RECOMPUTED]
    sources = {KINDS[data.target].source for data in suite.datasets.values()} | {Derivation.CLUSTERS}
    sources |= {Derivation.RANKED_SCORES} if Derivation.CONFUSION in sources else set()
    ranking = [*first, *(one for one in recomputed if one.name != suite.ranked_by and one.derived_from in sources)]
    declared = {name for protocol in suite.protocols.values() for name in protocol.metrics}
    by_default = [
        one.name
        for one in metrics.values()
        if one.is_shown and (one.derived_from in {*PREDICTIONS} & sources or one.name in declared)
    ]
    names = dict.fromkeys([ranking[0].name, *(suite.metrics or by_default)])
    columns = [
        ScoreColumn(metric=metrics.find(current_name(suite, name, installed)), stored_name=name) for name in names
    ]
    return SuiteMetrics(ranking=tuple(ranking), accuracies=metrics.accuracies, columns=tuple(columns))
