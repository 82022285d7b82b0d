"""Return the scores of an entry by fraction of the training labels. Performs no I/O."""

from __future__ import annotations

from sslbench.analysis.tables.estimates import group_by
from sslbench.analysis.tables.run_tables import seed_means
from sslbench.analysis.tables.selection import select_scores
from sslbench.data.label_subsets import FRACTION
from sslbench.results.record import Record, setting_of
from sslbench.results.varied import VariedTable


def label_curve(
    record: Record, place: tuple[str, str], metric: str, varied: VariedTable
) -> dict[float, tuple[float, ...]]:
    """Return a metric by fraction of labels and seed; empty unless there are several fractions.

    place: dataset, and name of the protocol in tables. Lists of labels have no place among fractions.
    """
    own = select_scores(record.scores, varied, dataset=place[0], protocol=place[1], named=(FRACTION.name,))
    shares = {score.setting: setting_of(score.setting).get(FRACTION.name, FRACTION.number) for score in own}
    by_fraction = group_by(
        (score for score in own if score.metric == metric and not isinstance(shares[score.setting], str)),
        lambda score: float(shares[score.setting]),
    )
    curve = {fraction: tuple(seed_means(scores).values()) for fraction, scores in sorted(by_fraction.items())}
    return curve if len(curve) > 1 else {}
