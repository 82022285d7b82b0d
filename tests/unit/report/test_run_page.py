"""What comes after a run: its page, the last lines, the best method's classes, and two runs compared."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import sslbench
from sslbench.analysis.statistics.intervals import Estimate
from sslbench.analysis.tables.best_row import find_best_row
from sslbench.analysis.tables.run_tables import RunRow, make_rows
from sslbench.analysis.tables.verdicts import judge_rows
from sslbench.api.errors import RequestError
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.metrics import installed_metrics
from sslbench.report.balance import describe_balance
from sslbench.report.compared_runs import compare_runs
from sslbench.report.run_page import write_run_page
from sslbench.results.answers import read_answers
from sslbench.results.frames import Results, load_results
from sslbench.results.record import ClassScore
from tests.html_checker import HtmlChecker

METRICS = installed_metrics(discover(installed_entries()))

SETTINGS = [
    "train.epochs=1",
    "train.batch_size=64",
    "threads=1",
    "backbone.widths=[8,8,16,16]",
    "augmentation.name=digits",
]


@pytest.fixture(scope="module")
def command(cli, tmp_path_factory):
    """Two methods and a baseline on digits, as one command: its output and its folder of runs."""
    out = tmp_path_factory.mktemp("page") / "runs"
    arguments = ["run", "--method", "simclr,vicreg", "--dataset", "digits", "--backbone", "micro-cnn", "--seeds", "0,1,2",
                 "--protocols", "knn", "--baselines", "raw-features", "--out", str(out), *SETTINGS]  # fmt: skip
    answer = cli(*arguments)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout, out


def first_run(out):
    return next(out.glob("simclr-*"))


def results_of(out) -> Results:
    order = ("simclr", "vicreg", "raw-features")
    records = sorted(load_results(out).records, key=lambda record: order.index(record.method["name"]))
    return Results(records=tuple(records), root=out)


def test_the_last_lines_name_the_page_first(command):
    text, out = command
    lines = text[text.index("\nresults: ") :].split("\n")[1:]
    assert lines[0] == f"results: {first_run(out)}"
    assert lines[1].split()[0] == "index.html"
    assert lines[-2].endswith(f"sslbench compare {first_run(out)} {next(out.glob('vicreg-*'))}")
    assert any(line.endswith(f"sslbench export {first_run(out)}") for line in lines)


def test_the_page_shows_every_method_and_stands_alone(command):
    _, out = command
    page = first_run(out) / "index.html"
    text = page.read_text()
    for name in ("simclr", "vicreg", "raw-features", "which row is better?", "Recall by class: knn on digits", "Confusions",
                 "Misclassified test samples", "Encoder input: image of digits, 1 x 8 x 8", "Augmented views that"):  # fmt: skip
        assert name in text, name
    sources = re.findall(r'src="([^"]{0,30})', text)
    assert len(sources) > 10
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://", text)
    reader = HtmlChecker(page)
    reader.feed(text)
    assert reader.wrong == reader.open == []


def test_misclassified_images_are_those_of_the_predictions(command):
    _, out = command
    results = results_of(out)
    best = find_best_row(make_rows(results.records, METRICS), "digits", METRICS)
    predictions = pd.read_parquet(out / best.row.record.run / "predictions.parquet")
    wrong = predictions[(predictions["protocol"] == "knn") & (predictions["label"] != predictions["predicted"])]
    often = wrong["id"].value_counts()
    text = (first_run(out) / "index.html").read_text()
    shown = re.findall(r"<b>(\d)</b>, predicted \d<br><span class=\"aside\">wrong in (\d) of 3; (\d+)</span>", text)
    assert 0 < len(shown) <= len(often)
    labels = dict(zip(wrong["id"], wrong["label"], strict=True))
    for label, times, name in shown:
        assert int(label) == labels[name]
        assert int(times) == often[name]


def test_a_page_is_written_again_only_for_other_records(command, tmp_path, monkeypatch):
    _, out = command
    page = first_run(out) / "index.html"
    before = page.stat().st_mtime_ns
    assert write_run_page(results_of(out), METRICS) == page
    assert page.stat().st_mtime_ns == before
    content = page.read_bytes()
    page.unlink()
    write_run_page(results_of(out), METRICS)
    assert page.read_bytes() == content
    monkeypatch.setenv("SSLBENCH_DATA", str(tmp_path))
    page.unlink()
    write_run_page(results_of(out), METRICS)
    assert "its prepared samples are no longer on disk" in page.read_text()
    page.write_bytes(content)


def test_the_terminal_shows_the_classes_of_the_best_method(command):
    text, out = command
    records = {record.method["name"]: record for record in results_of(out).records}
    scores = {
        name: np.mean(
            [s.value for s in records[name].scores if s.metric == "macro_accuracy" and s.chosen_on != "query"]
        )
        for name in ("simclr", "vicreg")
    }
    assert f"{max(scores, key=scores.get)} on digits, knn: recall of the worst and best classes" in text
    assert f"{min(scores, key=scores.get)} on digits, knn" not in text


def row(name: str, knn: float, *, baseline: bool = False, linear: float | None = None, status: str = "done") -> RunRow:
    cells = {("knn", "macro_accuracy"): knn, ("linear", "macro_accuracy"): linear}
    record = SimpleNamespace(run=name, baseline=baseline, status=status)
    kept = {
        place: Estimate(mean=value, ci95_half_width=None, n=1, unit="seeds")
        for place, value in cells.items()
        if value is not None
    }
    return RunRow(record=record, dataset="d", cells=kept, by_seed={})


@pytest.mark.parametrize(
    ("rows", "name", "protocol"),
    [
        ([row("a", 0.5), row("b", 0.7)], "b", "knn"),
        ([row("a", 0.7), row("b", 0.1 + 0.6)], "a", "knn"),  # a tie goes to the first, for any last bit
        ([row("a", 0.5), row("b", 0.7, baseline=True)], "a", "knn"),
        ([row("a", 0.5, baseline=True), row("b", 0.7, baseline=True)], "b", "knn"),
        ([row("a", 0.9, linear=0.5), row("b", 0.7, linear=0.6)], "b", "linear"),
        ([row("a", 0.5), row("b", 0.7, status="collapsed")], "a", "knn"),
    ],
)
def test_the_best_row_is_the_best_method_by_the_default_protocol(rows, name, protocol):
    best = find_best_row(rows, "d", METRICS)
    assert (best.row.record.run, best.protocol) == (name, protocol)


def balance(least: int, most: int, tested: dict[str, int], groups: str = "none", most_tested: int = 0) -> list[str]:
    classes = [
        ClassScore(dataset="d", protocol="knn", seed=0, fold=fold, setting="{}", name=name, recall=0.5, precision=0.5, f1=0.5,
                   support=count + fold, training_samples=5)
        for name, count in tested.items() for fold in (0, 1)
    ]  # fmt: skip
    data = {
        "part": "d",
        "divided": {"min": least, "max": most, "groups": groups, "labels": [{"test_samples": 2852}]},
    }
    protocols = [{"name": "knn"}, {"name": "diagnostics", "max_test_samples": most_tested}]
    record = SimpleNamespace(run="r", baseline=False, status="done", evaluated_on=[data], classes=classes, scores=[],
                             protocols=protocols, varied=())  # fmt: skip
    one = Estimate(mean=0.5, ci95_half_width=None, n=1, unit="seeds")
    cells = {("knn", "macro_accuracy"): one, ("diagnostics", "rank_me"): one}
    return list(describe_balance([RunRow(record=record, dataset="d", cells=cells, by_seed={})]))


def test_imbalance_small_classes_and_groups_are_stated_where_they_matter():
    assert balance(20, 30, {"a": 20, "b": 30}) == ["groups: none declared; the split separates single samples"]
    assert balance(10, 100, {"a": 10, "b": 30})[0].startswith("groups")
    found = balance(12, 3400, {"a": 8, "b": 30, "c": 9}, "6 of source, 3 alone")
    assert found[0].startswith("imbalanced classes: 12 to 3,400 samples each (1 to 283)")
    told = "2 of 3 classes have fewer than 10 test samples (the fewest: a, 8), and each is 1/3 of macro accuracy"
    assert found[1] == told
    assert found[2] == "groups: 6 of source, 3 alone; each group is entirely on one side of the split"


@pytest.mark.parametrize(
    ("most", "told"), [(2048, ["fewer test samples: diagnostics 2,048 of 2,852"]), (2852, []), (0, [])]
)
def test_a_protocol_that_uses_fewer_test_samples_than_there_are_is_named(most, told):
    assert balance(20, 30, {"a": 20, "b": 30}, most_tested=most)[:-1] == told


def test_a_record_states_the_limit_of_each_protocol(tmp_path):
    settings = {
        "protocols": ["knn", "diagnostics"],
        "protocol_settings.diagnostics.max_samples": 50,
        "baselines": "none",
        "seeds": [0],
    }
    (record,) = sslbench.run("raw-features", "digits", out=tmp_path, settings=settings).records
    assert [one.get("max_test_samples") for one in record.protocols] == [None, 50]


def test_two_runs_are_compared_as_the_table_compares_them(command, cli):
    _, out = command
    results = results_of(out)
    first, second = results.records[0].run, results.records[2].run
    (found,) = compare_runs(first, str(out / second), out, METRICS)
    answers = {record.run: read_answers(out, record) for record in results.records}
    macro = next(one for one in found.comparison.overall if one.metric == "macro_accuracy")
    pair = [record for record in results.records if record.run in (first, second)]
    judged = [one for one in judge_rows(make_rows(pair, METRICS, answers), answers, METRICS) if one.against == "best"]
    assert [(abs(one.difference), one.half_width) for one in judged] == [(abs(macro.difference), macro.half_width)]
    predictions = [pd.read_parquet(out / run / "predictions.parquet") for run in (first, second)]
    right = [
        frame.assign(right=frame["label"] == frame["predicted"]).groupby("id")["right"].mean() for frame in predictions
    ]
    assert macro.first - macro.second == pytest.approx(macro.difference)
    assert sorted(found.comparison.only_first) == sorted(right[0].index[(right[0] > 0.5) & (right[1] < 0.5)])
    assert sorted(found.comparison.only_second) == sorted(right[0].index[(right[0] < 0.5) & (right[1] > 0.5)])
    classes = found.comparison.classes
    assert sum(one.test_samples for one in classes) == 360
    assert sum(one.only_second for one in classes) == len(found.comparison.only_second) > 0
    assert np.mean([one.difference for one in classes]) == pytest.approx(macro.difference)
    answer = cli("compare", first, second, "--out", str(out))
    assert answer.returncode == 0, answer.stderr
    assert "digits, knn: simclr minus raw-features, paired over 360 test samples" in answer.stdout
    assert (
        f"predicted correctly only by raw-features, in most seeds: {len(found.comparison.only_second)}" in answer.stdout
    )


def test_runs_that_cannot_be_paired_are_refused(command, tmp_path):
    _, out = command
    simclr, raw = first_run(out), next(out.glob("raw-features-*"))
    with pytest.raises(RequestError, match=r"simclr: is not a run: .* Runs below .*: simclr-"):
        compare_runs("simclr", raw.name, out, METRICS)
    with pytest.raises(RequestError, match="is the same run"):
        compare_runs(simclr.name, str(simclr), out, METRICS)
    with pytest.raises(RequestError, match=r"--protocol linear: not evaluated in both runs. Use one of: knn"):
        compare_runs(simclr.name, raw.name, out, METRICS, protocol="linear")
    record = json.loads((raw / "record.json").read_text())
    predictions = pd.read_parquet(raw / "predictions.parquet")

    def changed(name, change, kept=predictions):
        copy = json.loads(json.dumps(record))
        change(copy)
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(json.dumps({**copy, "run": name}))
        kept.to_parquet(tmp_path / name / "predictions.parquet")
        return str(tmp_path / name)

    fewer = predictions[predictions["id"] > predictions["id"].min()]
    for name, change, kept, sentence in (
        ("other", lambda r: r["evaluated_on"][0].update(fingerprint="0"), predictions, "the files of digits differ"),
        ("older", lambda r: r["protocols"][0].update(version=0), predictions, "knn has version .* in one run and 0 in the other"),
        ("fewer", lambda r: None, fewer, r"the test samples of digits differ between the two runs \(360 and 359\)"),
        ("empty", lambda r: None, predictions[:0], "no protocol predicted test samples of digits in both runs"),
        ("failed", lambda r: r.update(status="failed"), predictions, "is failed and has no predictions"),
        ("moved", lambda r: r["evaluated_on"][0].update(part="scans"), predictions, "shares no dataset with"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=sentence):
            compare_runs(str(simclr), changed(name, change, kept), out, METRICS)
