"""The line under a table that states whether learned features score above pixels."""

from __future__ import annotations

import pytest

from sslbench.analysis.statistics.intervals import Estimate
from sslbench.analysis.tables.run_tables import RunRow
from sslbench.catalog.metrics import core_metrics
from sslbench.report.baseline_note import LABELS, LEARNED, PIXELS, describe_learning
from sslbench.results.record import Record


def row(name: str, *, baseline: bool = True, trained: bool = True, encoder: bool = True, **scores: float) -> RunRow:
    record = Record(
        run=name, status="done", method={"name": name}, baseline=baseline,
        backbones={"image": {"name": "micro-vit"}} if encoder else {}, augmentations=[], recipe="", pool="train",
        pretrained_on=[], evaluated_on=[{"part": "digits"}], protocols=[], seeds=[0], folds=[0], test_share=0.2,
        settings={}, request={}, versions={}, training=[{"history": [{"loss": 1.0}] if trained else []}],
    )  # fmt: skip
    cells = {
        (p, "macro_accuracy"): Estimate(mean=v, ci95_half_width=None, n=1, unit="seeds") for p, v in scores.items()
    }
    return RunRow(record=record, dataset="digits", cells=cells, by_seed={})


def rows(mae: float, supervised: float, pixels: float, **more: float) -> list[RunRow]:
    return [
        row("mae", baseline=False, knn=mae, **more),
        row("supervised", knn=supervised),
        row("random-init", trained=False, knn=1.0),
        row("raw-features", trained=False, encoder=False, knn=pixels, **more),
    ]


@pytest.mark.parametrize(
    ("scores", "reading", "shown"),
    [
        ((0.9, 0.95, 0.6), LEARNED, "knn 0.900 (mae), pixels 0.600"),
        ((0.7, 0.95, 0.8), LABELS, "knn 0.700 (mae), pixels 0.800"),
        ((0.7, 0.97, 0.98), PIXELS, "knn 0.970 (supervised), pixels 0.980"),
        ((0.7, 0.98, 0.98), PIXELS, "knn 0.980 (supervised), pixels 0.980"),
    ],
)
def test_the_line_states_which_of_three_cases_it_is(scores, reading, shown):
    """An untrained encoder is no learned feature, however high it scores."""
    assert list(describe_learning(rows(*scores), core_metrics())) == [f"digits: {reading}: {shown}"]


def test_protocols_that_disagree_are_named_separately():
    told = list(describe_learning(rows(0.9, 0.95, 0.6, linear=0.5), core_metrics()))
    assert told == [f"digits: {LEARNED}: knn 0.900 (mae), pixels 0.600. {PIXELS}: linear 0.500 (mae), pixels 0.500"]


def test_nothing_is_printed_without_pixels_or_without_a_trained_row():
    mae, _, random, pixels = rows(0.9, 0.95, 0.6)
    assert list(describe_learning([mae, random], core_metrics())) == []
    assert list(describe_learning([random, pixels], core_metrics())) == []
