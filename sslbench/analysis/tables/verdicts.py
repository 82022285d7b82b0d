"""Compare each row of a run's table with the best row and the random encoder, by paired differences. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from sslbench.analysis.statistics.accuracy import AnswersByRun, compared_scores
from sslbench.analysis.statistics.score_variance import variance_over_seeds
from sslbench.analysis.statistics.shared_ranks import ComparedScores, Verdict, difference, verdict
from sslbench.analysis.tables.run_tables import RunRow, default_answers
from sslbench.api.metrics import Metric
from sslbench.catalog.metrics import MetricTable
from sslbench.results.answers import Answers
from sslbench.results.record import Record
from sslbench.results.varied import VariedTable, varied_table

Against: TypeAlias = Literal["best", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVerdict:
    """The difference of a run's score on a dataset from another run's, and the half-width of its 95 % interval."""

    run: str
    dataset: str
    protocol: str
    metric: str
    against: Against
    other: str
    verdict: Verdict
    difference: float
    half_width: float | None


def judge_rows(rows: Sequence[RunRow], answers: AnswersByRun, metrics: MetricTable) -> Iterator[RowVerdict]:
    """Compare finished rows by dataset and protocol, by the first metric that orders rows and that any of them has.

    The best row has the best score; the random encoder has the same backbones. Rows with other test samples than the
    first cannot be paired and are left out.
    """
    varied = varied_table(row.record for row in rows)
    by_dataset: dict[str, list[RunRow]] = defaultdict(list)
    for row in rows:
        if row.record.status == "done":
            by_dataset[row.dataset].append(row)
    for dataset, own in by_dataset.items():
        records = {row.record.run: row.record for row in own}
        by_metric = ((metric.name, _fields(own, answers, metric, varied)) for metric in metrics.mains)
        metric, fields = next((pair for pair in by_metric if pair[1]), ("", {}))
        for protocol, field in sorted(fields.items()):
            yield from _judge(field, records, dataset, protocol, metric)


def _fields(
    rows: Sequence[RunRow], answers: AnswersByRun, metric: Metric, varied: VariedTable
) -> dict[str, ComparedScores]:
    """Collect the scores that are compared, by protocol: paired by test sample where predictions are known."""
    protocols = {protocol for row in rows for protocol, name in row.cells if name == metric.name}
    by_seed = {} if metric.mean_over is not None else {one: _compare_seeds(rows, one, metric) for one in protocols}
    return {**by_seed, **(_compare_answers(rows, answers, metric, varied) if metric.covers_samples else {})}


def _compare_answers(
    rows: Sequence[RunRow], answers: AnswersByRun, metric: Metric, varied: VariedTable
) -> dict[str, ComparedScores]:
    """Collect means over test samples, paired by test sample."""
    found: dict[str, dict[str, Answers]] = defaultdict(dict)
    for row in rows:
        for protocol, own in default_answers(row.record, row.dataset, answers, varied).items():
            if not found[protocol] or own.same_samples(next(iter(found[protocol].values()))):
                found[protocol][row.record.run] = own
    compared = {protocol: compared_scores(by_run, metric) for protocol, by_run in found.items()}
    return {protocol: one for protocol, one in compared.items() if one is not None}


def _compare_seeds(rows: Sequence[RunRow], protocol: str, metric: Metric) -> ComparedScores:
    """Collect scores that are not means over samples, so that their variance is over seeds alone."""
    place = (protocol, metric.name)
    own = [(row.record, list(row.by_seed[place].values())) for row in rows if place in row.cells]
    return ComparedScores(
        names=[record.run for record, _ in own],
        scores=np.array([float(np.mean(values)) for _, values in own]),
        draws=np.zeros((len(own), 2), np.float32),
        variances=[variance_over_seeds(values, depends_on_seed=record.depends_on_seed) for record, values in own],
        higher_is_better=metric.higher_is_better,
    )


def _judge(
    field: ComparedScores, records: Mapping[str, Record], dataset: str, protocol: str, metric: str
) -> Iterator[RowVerdict]:
    best = int(np.argmax(field.merits))
    for place, run in enumerate(field.names):
        others: dict[Against, int | None] = {"best": best, "random": _random_encoder(field, records, run)}
        for against, other in others.items():
            if other is None or other == place:
                continue
            gap, half_width = difference(field, place, other)
            yield RowVerdict(
                run=run, dataset=dataset, protocol=protocol, metric=metric, against=against, other=field.names[other],
                verdict=verdict(field, place, other), difference=gap, half_width=half_width,
            )  # fmt: skip


def _random_encoder(field: ComparedScores, records: Mapping[str, Record], run: str) -> int | None:
    """Return the random encoder with a run's backbones; the only one for a run without backbones."""
    random = [place for place, name in enumerate(field.names) if records[name].method.get("random_init")]
    own = records[run].backbones
    matching = [place for place in random if _names(records[field.names[place]]) == _names(records[run])]
    return next(iter(matching), random[0] if not own and len(random) == 1 else None)


def _names(record: Record) -> Mapping[str, str]:
    return {modality: backbone["name"] for modality, backbone in record.backbones.items()}
