"""The row of a run's table that is looked at more closely: the best trained row under the default protocol. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sslbench.analysis.statistics.accuracy import MAIN_METRIC
from sslbench.analysis.tables.run_tables import RunRow, default_scores
from sslbench.results.record import Record

DEFAULT_PROTOCOLS = ("linear", "knn")
"""Protocols by which a row is called the best, in order of preference; any other predicting protocol comes after them."""
DIGITS = 12
"""Scores are rounded to so many digits before they are compared: how a sum falls is a matter of the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BestRow:
    """A row, and the protocol under which its macro accuracy is the highest."""

    row: RunRow
    protocol: str


def find_best_row(rows: Sequence[RunRow], dataset: str) -> BestRow | None:
    """Find the best finished row of a dataset; the first of equal ones, and None where no protocol predicts.

    Baselines count only where the table holds nothing else.
    """
    finished = [row for row in rows if row.dataset == dataset and row.record.status == "done"]
    candidates = [row for row in finished if not row.record.baseline] or finished
    for protocol in order_protocols(candidates):
        scored = [
            (round(row.cells[protocol, MAIN_METRIC].mean, DIGITS), row)
            for row in candidates
            if (protocol, MAIN_METRIC) in row.cells
        ]
        if scored:
            return BestRow(row=max(scored, key=lambda pair: pair[0])[1], protocol=protocol)
    return None


def order_protocols(rows: Sequence[RunRow]) -> list[str]:
    """List the protocols that any row has, the default ones first."""
    there = dict.fromkeys(protocol for row in rows for protocol, _ in row.cells)
    return [name for name in dict.fromkeys((*DEFAULT_PROTOCOLS, *there)) if name in there]


def own_settings(record: Record, dataset: str, protocol: str) -> frozenset[str]:
    """Collect the settings (JSON) of the scores that a protocol's column of a table is made of."""
    scores = [s for s in record.scores if (s.dataset, s.protocol, s.epoch) == (dataset, protocol, None)]
    return frozenset(score.setting for score in default_scores([s for s in scores if s.chosen_on != "query"]))
