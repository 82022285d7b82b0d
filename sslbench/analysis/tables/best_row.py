"""Find the best row of a run's table: the best trained row under the default protocol. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sslbench.analysis.tables.run_tables import RunRow
from sslbench.analysis.tables.selection import select_scores
from sslbench.catalog.metrics import MetricTable
from sslbench.results.record import Record
from sslbench.results.varied import varied_table

DEFAULT_PROTOCOLS = ("linear", "knn")
"""Protocols that decide the best row, in order of preference; any other predicting protocol comes after them."""
DIGITS = 12
"""Digits to which scores are rounded before they are compared: the rounding of sums differs between processors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BestRow:
    """A row, and the protocol under which it is the best."""

    row: RunRow
    protocol: str


def find_best_row(rows: Sequence[RunRow], dataset: str, metrics: MetricTable) -> BestRow | None:
    """Find the best finished row of a dataset; the first of equal ones, None if no protocol predicts.

    Baselines count only if the table has no other rows.
    """
    finished = [row for row in rows if row.dataset == dataset and row.record.status == "done"]
    candidates = [row for row in finished if not row.record.baseline] or finished
    for protocol in order_protocols(candidates):
        for metric in metrics.predicted_mains:
            sign, place = 1 if metric.higher_is_better else -1, (protocol, metric.name)
            scored = [(sign * round(row.cells[place].mean, DIGITS), row) for row in candidates if place in row.cells]
            if scored:
                return BestRow(row=max(scored, key=lambda pair: pair[0])[1], protocol=protocol)
    return None


def order_protocols(rows: Sequence[RunRow]) -> list[str]:
    """List the protocols that any row has, the default ones first."""
    present = dict.fromkeys(protocol for row in rows for protocol, _ in row.cells)
    return [name for name in dict.fromkeys((*DEFAULT_PROTOCOLS, *present)) if name in present]


def own_settings(record: Record, dataset: str, protocol: str) -> frozenset[str]:
    """Collect the settings (JSON) of the scores behind a protocol's column of a table."""
    return frozenset(
        score.setting
        for score in select_scores(record.scores, varied_table([record]), dataset=dataset, protocol=protocol)
    )
