"""Which row of a run's table is better: intervals over seeds and test samples, verdicts, and what a terminal shows."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import sslbench
from sslbench.analysis.statistics.accuracy import compared_scores, known_variances, sample_variance
from sslbench.analysis.statistics.class_differences import recall_half_widths, recall_statistics
from sslbench.analysis.tables.estimates import estimates
from sslbench.analysis.tables.run_tables import class_rows, default_answers, make_rows
from sslbench.analysis.tables.study_frames import study_frame
from sslbench.analysis.tables.verdicts import RowVerdict, judge_rows
from sslbench.catalog.metrics import core_metrics
from sslbench.report.console.terminal import show_results
from sslbench.report.console.verdicts import verdict_table
from sslbench.results.answers import read_answers
from tests.varied_settings import VARIED

SETTINGS = {
    "protocols": ["knn", "linear"], "baselines": ["raw-features", "pretrained"], "protocol_settings.linear.epochs": 2,
    "protocol_settings.linear.min_steps": 0, "protocol_settings.linear.lrs": [0.1], "protocol_settings.linear.weight_decays": [0.0],
    "backbone": {"name": "micro-cnn", "widths": [8, 8, 16, 16]},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("verdicts") / "runs"
    return {
        seeds: sslbench.run("random-init", "digits", out=out, settings={**SETTINGS, "seeds": list(seeds)})
        for seeds in ((0,), (0, 1, 2))
    }


def printed(results) -> str:
    console = Console(width=100, file=io.StringIO())
    show_results(console, results, core_metrics())
    return console.file.getvalue()


def test_answers_give_the_scores_that_the_record_holds(finished):
    results = finished[0, 1, 2]
    assert sum(bool(record.scores) for record in results.records) > 1
    for record in results.records:
        by_protocol = default_answers(record, "digits", {record.run: read_answers(results.root, record)}, VARIED)
        assert set(by_protocol) == {score.protocol for score in record.scores}
        for protocol, answers in by_protocol.items():
            for metric in ("micro_accuracy", "macro_accuracy"):
                field = compared_scores({record.run: answers}, core_metrics()[metric])
                assert field.scores[0] == pytest.approx(
                    make_rows([record], core_metrics())[0].cells[protocol, metric].mean, abs=1e-12
                )
            assert answers.right.shape == (3, 360)


def test_a_single_seed_covers_its_test_samples_and_decides_nothing(finished):
    results = finished[(0,)]
    answers = {record.run: read_answers(results.root, record) for record in results.records}
    rows = {row.record.method["name"]: row for row in make_rows(results.records, core_metrics(), answers)}
    cell = rows["raw-features"].cells["knn", "micro_accuracy"]
    assert (cell.unit, cell.test_samples, cell.n) == ("test samples", 360, 1)
    assert cell.ci95_half_width == pytest.approx(1.96 * math.sqrt(cell.mean * (1 - cell.mean) / 359), rel=0.01)
    found = {(one.protocol, one.against): one for one in judge_rows(list(rows.values()), answers, core_metrics())}
    assert {one.verdict for one in found.values()} == {"undecided: one seed"}
    text = printed(results)
    assert "undecided: one seed" in " ".join(text.split())
    assert "test samples: 360" in text
    assert "one seed: the interval does not cover variation between trainings" in text


def test_rows_without_randomness_have_no_variance_over_seeds(finished):
    results = finished[0, 1, 2]
    raw = next(record for record in results.records if record.method["name"] == "raw-features")
    assert raw.depends_on_seed is False
    answers = default_answers(raw, "digits", {raw.run: read_answers(results.root, raw)}, VARIED)["knn"]
    assert sample_variance(answers, core_metrics()["macro_accuracy"]).over_seeds == 0
    pretrained = next(record for record in results.records if record.method["name"] == "pretrained")
    assert pretrained.depends_on_seed is False
    assert results.records[0].depends_on_seed is True


def test_every_row_has_a_verdict_against_the_best_and_the_random_encoder(finished):
    results = finished[0, 1, 2]
    answers = {record.run: read_answers(results.root, record) for record in results.records}
    rows = make_rows(results.records, core_metrics(), answers)
    found = list(judge_rows(rows, answers, core_metrics()))
    names = {record.run: record.method["name"] for record in results.records}
    told = {(names[one.run], one.protocol, one.against): (names[one.other], one.verdict) for one in found}
    assert told["raw-features", "knn", "random"][0] == "random-init"
    assert {key[0] for key in told} == {"random-init", "raw-features"}
    for one in found:
        decided = one.half_width is not None and abs(one.difference) > one.half_width
        assert one.verdict == (("better" if one.difference > 0 else "worse") if decided else "undecided")
    text = printed(results)
    for word in ("which row is better? macro accuracy", "vs best", "vs random-init", "best",
                 "± is the half-width of a 95 % interval over seeds and test samples", "mean over 3 seeds"):  # fmt: skip
        assert word in text, word


def test_class_recalls_cover_test_samples(finished):
    results = finished[0, 1, 2]
    record = results.records[0]
    answers = default_answers(record, "digits", {record.run: read_answers(results.root, record)}, VARIED)["knn"]
    wanted = recall_half_widths(recall_statistics(answers.right, answers.labels, 10), answers.labels)
    by_name = {row.name: row.recall for row in class_rows(record, "digits", "knn", answers)}
    assert by_name["3"].ci95_half_width == pytest.approx(wanted[3])
    assert by_name["3"].unit == "seeds and test samples"


def test_a_study_table_covers_test_samples_and_a_mean_of_runs_does_not(finished):
    results = finished[0, 1, 2]
    variances = known_variances(
        {record.run: read_answers(results.root, record) for record in results.records}, core_metrics()
    )
    chosen = study_frame(results.scores.query("protocol == 'knn' and metric == 'macro_accuracy'"), {}, results.varied)
    found = estimates(chosen, ["method"], variances)
    assert found["unit"].tolist() == ["seeds and test samples"] * 2
    assert found["test_samples"].tolist() == [360] * 2
    mixed = estimates(chosen, ["protocol"], variances)
    assert (mixed["unit"].item(), mixed["test_samples"].item()) == ("seeds", 0)


def test_rows_that_answered_other_samples_are_not_paired(finished):
    results = finished[0, 1, 2]
    answers = {record.run: dict(read_answers(results.root, record)) for record in results.records}
    for question, own in answers[results.records[1].run].items():
        ids = np.char.add(own.ids, "x")
        answers[results.records[1].run][question] = type(own)(
            ids=ids, folds=own.folds, labels=own.labels, right=own.right, depends_on_seed=own.depends_on_seed
        )
    assert list(judge_rows(make_rows(results.records, core_metrics(), answers), answers, core_metrics())) == []


def test_the_best_row_is_in_the_table_though_nothing_is_compared_with_it(finished):
    rows = make_rows(finished[0, 1, 2].records, core_metrics())[:2]
    worse, best = (row.record.run for row in rows)
    told = RowVerdict(
        run=worse, dataset="digits", protocol="knn", metric="macro_accuracy", against="best", other=best,
        verdict="worse", difference=-0.1, half_width=0.05,
    )  # fmt: skip
    table = verdict_table([told], rows)
    assert [row[1] for row in table.rows] == ["worse", "best"]
    assert table.rows[0][1].color == "red"
    assert verdict_table([replace(told, dataset="of another row")], rows).title.startswith("of another row: which row")
