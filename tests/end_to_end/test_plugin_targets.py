"""Datasets of a plugin outside the repository with several labels or numbers per sample, from run to leaderboard."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from sklearn.metrics import average_precision_score, r2_score

from sslbench import load_results
from sslbench.analysis.tables.run_tables import make_rows
from sslbench.catalog.metrics import core_metrics
from sslbench.leaderboard.submission.check import check_bundle
from sslbench.leaderboard.submission.publication import machine_mark
from sslbench.leaderboard.submission.suite import read_suite
from sslbench.report.class_effects import class_effect_report
from sslbench.results.answers import read_answers
from sslbench.results.frames import Results
from sslbench.study.definition import ClassEffectSettings, read_study
from tests.board_fixtures import edit_json, rehash
from tests.installed_plugin import install_plugin

PLUGIN = '''
from dataclasses import dataclass

import numpy as np

from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, Target, hookimpl, setting

CITATION = Citation(title="Shapes", authors="They", year=2026, url="https://example.org")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapesConfig:
    """Settings."""

    rows: int = setting(240, "Number of images.")


class Shapes:
    """Images with three patterns that occur independently; the first label is unknown for every tenth image."""

    def __init__(self, config, source):
        rng = np.random.default_rng(5)
        self.present = (rng.random((config.rows, 3)) < [0.5, 0.3, 0.15]).astype(np.int64)
        self.size = rng.uniform(0.2, 1.0, config.rows)
        self.modalities = {"image": Modality(layout="image", shape=(1, 16, 16))}
        self.columns = {"id": np.arange(config.rows).astype(str)}
        self.target, self.labels = self.make_target()

    def make_target(self):
        labels = self.present.copy()
        labels[::10, 0] = -1
        return Target(kind="labels", names=("bars", "columns", "dot")), labels

    def read(self, row, rng):
        image = np.random.default_rng([1, row]).normal(40, 10, (1, 16, 16))
        bars, columns, dot = self.present[row]
        image[:, ::4] += 80 * bars * self.size[row]
        image[:, :, ::4] += 80 * columns * self.size[row]
        image[:, 6:10, 6:10] += 100 * dot + 60 * self.size[row]
        return {"image": np.clip(image, 0, 255).astype(np.uint8)}

    def fingerprint(self):
        return f"shapes-{len(self.present)}"


class Sizes(Shapes):
    """The same images with two numbers; the second is unknown for every fifth image."""

    def make_target(self):
        values = np.stack([1000 * self.size, self.present.sum(1) + 0.5], 1)
        values[::5, 1] = np.nan
        return Target(kind="value", names=("length", "count")), values


@hookimpl
def sslbench_datasets():
    for name, build in (("their-shapes", Shapes), ("their-sizes", Sizes)):
        yield DatasetSpec(
            name=name, version=1, summary="patterns", citation=CITATION, config=ShapesConfig, smoke=ShapesConfig(rows=40),
            build=build,
            card=DatasetCard(license="MIT", citation=CITATION, source="generated", obtain="it is generated", embedded=True),
        )
'''
PROTOCOLS = "knn,linear,finetune"
MAIN = {"their-shapes": "macro_average_precision", "their-sizes": "r2"}
SHORT = (
    "protocol_settings.finetune.epochs=2", "protocol_settings.finetune.min_steps=8", "protocol_settings.linear.epochs=3",
    "protocol_settings.linear.min_steps=60", "protocol_settings.finetune.bottleneck=16",
)  # fmt: skip


def stacked(lists) -> np.ndarray:
    return np.stack([np.asarray(one, float) for one in lists])


def expected_score(dataset: str, rows: pd.DataFrame) -> float:
    """Return scikit-learn's mean score of stored predictions over labels or numbers."""
    truth, predicted = stacked(rows["label"]), stacked(rows["predicted"])
    known = ~np.isnan(truth) & (truth >= 0)
    score = average_precision_score if dataset == "their-shapes" else r2_score
    return np.mean([score(truth[known[:, c], c], predicted[known[:, c], c]) for c in range(truth.shape[1])])


@pytest.fixture(scope="module", params=["their-shapes", "their-sizes"])
def run(cli, tmp_path_factory, request):
    """The dataset, and the answer, the folder and the environment of its run."""
    folder = tmp_path_factory.mktemp("targets")
    installed = install_plugin(folder / "plugin", "their_targets", PLUGIN)
    answer = cli(
        "run", "--method", "random-init", "--dataset", request.param, "--backbone", "micro-cnn", "--protocols", PROTOCOLS,
        "--seeds", "0,1", "--baselines", "none", "--out", "runs", *SHORT, cwd=folder, env=installed,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return request.param, answer, folder, installed


def test_scores_equal_scikit_learn_on_the_stored_predictions(run):
    dataset, _, folder, _ = run
    (path,) = folder.glob("runs/random-init-*")
    predictions = pd.read_parquet(path / "vector_predictions.parquet")
    assert set(predictions["protocol"]) == set(PROTOCOLS.split(","))
    scores = load_results(folder / "runs").scores
    scores = scores[(scores["metric"] == MAIN[dataset]) & (scores["chosen_on"] != "query")]
    assert len(scores) == 6
    for score in scores.itertuples():
        rows = predictions.query("protocol == @score.protocol and seed == @score.seed")
        assert rows["id"].is_unique
        assert score.value == pytest.approx(expected_score(dataset, rows), abs=1e-6)


def test_features_of_patterns_predict_them(run):
    dataset, _, folder, _ = run
    scores = load_results(folder / "runs").scores
    scores = scores[(scores["metric"] == MAIN[dataset]) & (scores["chosen_on"] != "query")]
    means = scores.groupby("protocol")["value"].mean()
    assert means["linear"] > 0.5, means
    assert means["knn"] > 0.3, means


def test_the_table_shows_the_metrics_of_the_target(run):
    dataset, answer, _, _ = run
    heads = "mAP +micro AP" if dataset == "their-shapes" else "R2 +mean absolute error"
    assert re.search(heads, answer.stdout), answer.stdout
    assert re.search(r"0\.\d{3} ±0\.\d{3}", answer.stdout), answer.stdout


def test_every_label_and_number_has_scores(run):
    dataset, _, folder, _ = run
    (path,) = folder.glob("runs/random-init-*")
    frame = load_results(folder / "runs").classes.query("protocol == 'knn' and seed == 0")
    names = {"their-shapes": ["bars", "columns", "dot"], "their-sizes": ["length", "count"]}[dataset]
    assert sorted(frame["name"]) == sorted(names)
    rows = pd.read_parquet(path / "vector_predictions.parquet").query("protocol == 'knn' and seed == 0")
    truth, predicted = stacked(rows["label"]), stacked(rows["predicted"])
    for place, name in enumerate(names):
        (row,) = frame[frame["name"] == name].to_dict("records")
        known = ~np.isnan(truth[:, place]) & (truth[:, place] >= 0)
        if dataset == "their-shapes":
            expected = average_precision_score(truth[known, place], predicted[known, place])
            assert row["average_precision"] == pytest.approx(expected)
            assert row["support"] == (truth[:, place] > 0).sum()
        else:
            assert row["r2"] == pytest.approx(r2_score(truth[known, place], predicted[known, place]))
            assert row["support"] == known.sum()


def test_the_page_lists_every_label_and_number(run):
    dataset, _, folder, _ = run
    (path,) = folder.glob("runs/random-init-*/index.html")
    page = path.read_text()
    for text in {"their-shapes": ("bars", "average precision"), "their-sizes": ("length", "R2")}[dataset]:
        assert text in page
    assert "Metrics by name: " in page


def test_intervals_cover_test_samples(run):
    """The interval of a score is as wide as that of a score of resampled test samples, or wider."""
    dataset, _, folder, _ = run
    (record,) = load_results(folder / "runs").records
    answers = {record.run: read_answers(folder / "runs", record)}
    (row,) = make_rows([record], core_metrics(), answers)
    found = row.cells["knn", MAIN[dataset]]
    assert found.unit == "seeds and test samples"
    rows = pd.read_parquet(folder / "runs" / record.run / "vector_predictions.parquet").query("protocol == 'knn'")
    assert found.test_samples == rows["id"].nunique()
    rng = np.random.default_rng(0)
    by_seed = [one.sort_values("id") for _, one in rows.groupby("seed")]
    draws = [rng.integers(0, found.test_samples, found.test_samples) for _ in range(100)]
    scores = [np.mean([expected_score(dataset, one.iloc[draw]) for one in by_seed]) for draw in draws]
    assert found.ci95_half_width > 1.4 * np.std(scores)


def test_the_page_shows_intervals_and_the_worst_predicted_samples(run):
    dataset, _, folder, _ = run
    (path,) = folder.glob("runs/random-init-*/index.html")
    page = path.read_text()
    assert "over seeds and test samples" in page
    names = {"their-shapes": ["bars", "columns", "dot"], "their-sizes": ["length", "count"]}[dataset]
    shown = re.findall(r"<h3>(.*?)</h3>", page)
    assert shown == names
    protocol = re.search("Worst predicted test samples: [^,]*, (.*) on", page)[1]
    rows = pd.read_parquet(path.parent / "vector_predictions.parquet")
    rows = rows[rows["protocol"] == protocol]
    truth, predicted = stacked(rows["label"]), stacked(rows["predicted"])
    truth[truth < 0 if dataset == "their-shapes" else np.isnan(truth)] = np.nan
    errors = pd.DataFrame(np.abs(predicted - truth), index=rows["id"]).groupby(level=0).mean()
    for place, name in enumerate(names):
        part = page[page.index(f"<h3>{name}</h3>") :]
        first = re.search(r'<figure><img src="data:image/png[^>]*alt="(\d+)"', part)[1]
        assert errors.loc[first, place] == pytest.approx(errors[place].max())


def test_protocols_that_do_not_fit_are_refused_by_name(cli, run):
    dataset, _, folder, installed = run
    protocol = {"their-shapes": "clustering", "their-sizes": "gallery"}[dataset]
    answer = cli(
        "run", "--method", "random-init", "--dataset", dataset, "--backbone", "micro-cnn", "--protocols", protocol,
        "--baselines", "none", cwd=folder, env=installed,
    )  # fmt: skip
    told = {
        "their-shapes": "'clustering' needs samples with one class, but the data has several labels",
        "their-sizes": "'gallery' needs samples with one class or several labels, but the data has a number",
    }
    assert answer.returncode == 2
    assert told[dataset] in answer.stderr


@pytest.mark.slow
def test_galleries_of_labels_give_scores(cli, run):
    dataset, _, folder, installed = run
    if dataset != "their-shapes":
        pytest.skip("numbers have no galleries")
    answer = cli(
        "run", "--method", "random-init", "--dataset", dataset, "--backbone", "micro-cnn", "--protocols", "gallery",
        "--seeds", "0,1", "--baselines", "none", "--out", "galleries", "protocol_settings.gallery.shots=[1,8]",
        "protocol_settings.gallery.draws=2", cwd=folder, env=installed,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    scores = load_results(folder / "galleries").scores.query("metric == 'macro_average_precision'")
    means = scores["value"].groupby(scores["setting"].map(lambda text: json.loads(text)["shots"])).mean()
    assert means[8] >= means[1]
    assert means[8] > 0.7
    assert re.search(r"gallery.*metrics by name", answer.stdout), answer.stdout


def test_both_datasets_pass_the_conformance_kit(cli, tmp_path):
    answer = cli("plugin", "check", "their-targets", env=install_plugin(tmp_path / "plugin", "their_targets", PLUGIN))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("passed          has_valid_columns") == 2


BOARD = """
name: both
summary: two targets
base:
  recipe: none
  method: random-init
  baselines: [raw-features]
  protocols: [knn, linear]
  protocol_settings.linear: {epochs: 2, min_steps: 60, lrs: [0.1, 0.01], weight_decays: [0.0, 0.001]}
  backbone: {name: micro-cnn, widths: [8, 8, 16, 16]}
  seeds: [0, 1]
  threads: 1
axes:
  data: {shapes: {data: their-shapes}, sizes: {data: their-sizes}}
tables:
  - {name: each, source: classes, where: {metric: [average_precision, r2], protocol: knn}, rows: [class], columns: [method]}
"""


@pytest.fixture(scope="module")
def board(cli, tmp_path_factory):
    """A leaderboard of both datasets with the submissions of a study, and the environment of the plugin."""
    folder = tmp_path_factory.mktemp("board")
    installed = install_plugin(folder / "plugin", "their_targets", PLUGIN)
    (folder / "both.yaml").write_text(BOARD)
    for command in (("leaderboard", "suite", "both.yaml"), ("study", "run", "both.yaml")):
        answer = cli(*command, cwd=folder, env=installed)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = sorted(str(path) for path in (folder / "runs").glob("*their*"))
    answer = cli("leaderboard", "submit", *runs, "--by", "the tests", cwd=folder, env=installed)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, installed


def test_a_study_tabulates_labels_and_numbers_by_name(board):
    folder, _ = board
    table = (folder / "runs/studies/both/tables/each.md").read_text()
    for name in ("bars", "columns", "dot", "length", "count"):
        assert f"| {name} " in table


def test_a_leaderboard_orders_entries_by_the_metric_of_each_target(cli, board):
    folder, installed = board
    built = cli("leaderboard", "build", cwd=folder, env=installed)
    assert built.returncode == 0, built.stdout + built.stderr
    table = pd.read_csv(folder / "leaderboard/tables/both.csv")
    for dataset, metric in MAIN.items():
        own = table[table["dataset"] == dataset]
        assert sorted(own["protocol"]) == ["knn", "knn", "linear", "linear"]
        for protocol, rows in own.groupby("protocol"):
            assert rows[metric].is_monotonic_decreasing
            for row in rows.itertuples():
                stored = pd.read_parquet(folder / f"leaderboard/results/both/{row.run}/vector_predictions.parquet")
                seeds = stored[stored["protocol"] == protocol].groupby("seed")
                expected = np.mean([expected_score(dataset, one) for _, one in seeds])
                assert getattr(row, metric) == pytest.approx(expected, abs=1e-4)


def test_two_runs_are_compared_by_label_and_number(cli, board):
    folder, installed = board
    for dataset, metric in MAIN.items():
        first, second = (
            next((folder / "runs").glob(f"{name}-*{dataset}*")) for name in ("random-init", "raw-features")
        )
        answer = cli("compare", str(first), str(second), "--protocol", "knn", cwd=folder, env=installed)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        stored = pd.read_parquet(first / "vector_predictions.parquet").query("protocol == 'knn'")
        mean = np.mean([expected_score(dataset, one) for _, one in stored.groupby("seed")])
        assert re.search(rf"{metric.replace('_', ' ')} +{mean:.3f} ", answer.stdout), answer.stdout
        title, names = {
            "their-shapes": ("average precision by name", ["bars", "columns", "dot"]),
            "their-sizes": ("mean absolute error by name", ["length", "count"]),
        }[dataset]
        table = answer.stdout[answer.stdout.index(title) :]
        assert all(re.search(rf"^ *{name} ", table, re.MULTILINE) for name in names), answer.stdout
        assert ("predicted correctly only by" in answer.stdout) == (dataset == "their-shapes")


def test_numbers_are_compared_between_names(board, tmp_path):
    """Of an error, less is better."""
    folder, _ = board
    (tmp_path / "arms.yaml").write_text("axes: {arm: {raw: {method: raw-features}, random: {method: random-init}}}")
    records = load_results(folder / "runs").records
    arms = {"raw-features": "raw", "random-init": "random"}
    points = {one.run: [{"arm": arms[one.method["name"]]}] for one in records}
    report = class_effect_report(
        read_study(tmp_path / "arms.yaml", ""), Results(records=records, root=folder / "runs", repeat_shared=True), points,
        ClassEffectSettings(axis="arm", protocol="knn", metric="mean_absolute_error"), core_metrics(), tmp_path,
    )  # fmt: skip
    found = pd.read_csv(report.folder / "differences.csv")
    assert found["number"].tolist() == ["length", "count"]
    for method, column in (("random-init", "mean_absolute_error"), ("raw-features", "reference_mean_absolute_error")):
        (path,) = (folder / "runs").glob(f"{method}-*their-sizes*/vector_predictions.parquet")
        stored = pd.read_parquet(path).query("protocol == 'knn'")
        errors = np.abs(stacked(stored["predicted"]) - stacked(stored["label"]))
        assert found[column].tolist() == pytest.approx(np.nanmean(errors, axis=0), rel=1e-6)
    overall = pd.read_csv(report.folder / "overall.csv").iloc[0]
    differs = found["p_holm"] < 0.05
    assert differs.any(), found
    assert (overall["better"], overall["worse"]) == (
        (differs & (found["difference"] < 0)).sum(), (differs & (found["difference"] > 0)).sum()
    )  # fmt: skip


def test_leaderboard_pages_list_labels_and_numbers(cli, board):
    folder, installed = board
    built = cli("leaderboard", "build", cwd=folder, env=installed)
    assert built.returncode == 0, built.stdout + built.stderr
    page = (folder / "leaderboard/site/both/classes.html").read_text()
    assert all(re.search(rf">{name} <span", page) for name in ("bars", "columns", "dot", "length", "count"))
    assert "their-shapes, knn: average precision" in page
    table = pd.read_csv(folder / "leaderboard/tables/both-classes-average_precision.csv")
    assert sorted(set(table["name"])) == ["bars", "columns", "dot"]
    assert (table["ci95_half_width"] > 0).all()
    row = table[
        (table["protocol"] == "knn") & (table["name"] == "bars") & table["entry"].str.startswith("random-init")
    ].iloc[0]
    (bundle,) = (folder / "leaderboard/results/both").glob("random-init-*their-shapes*")
    stored = pd.read_parquet(bundle / "vector_predictions.parquet").query("protocol == 'knn'")
    found = []
    for _, one in stored.groupby("seed"):
        truth, scores = stacked(one["label"])[:, 0], stacked(one["predicted"])[:, 0]
        found.append(average_precision_score(truth[truth >= 0], scores[truth >= 0]))
    assert row["average_precision"] == pytest.approx(np.mean(found), abs=1e-4)
    bias = pd.read_csv(folder / "leaderboard/tables/both-bias-r2.csv")
    assert sorted(set(bias["name"])) == ["count", "length"]


def test_intervals_of_a_leaderboard_cover_test_samples(board):
    folder, _ = board
    table = pd.read_csv(folder / "leaderboard/tables/both.csv")
    for metric in MAIN.values():
        own = table[table[metric].notna() & (table["method"] == "raw-features")]
        assert len(own) == 2
        assert (own[f"{metric}_ci95_half_width"] > 0).all()  # no seed changes raw features
    assert "over seeds only" not in (folder / "leaderboard/tables/both.md").read_text()


def test_verify_compares_the_metric_of_several_labels(cli, board, tmp_path):
    """A mean average precision that a run on another machine does not reproduce is the largest difference."""
    folder, installed = board
    copied = Path(shutil.copytree(folder / "leaderboard", tmp_path / "leaderboard"))
    (bundle,) = (copied / "results/both").glob("random-init-*their-shapes*")
    changed = {}

    def lower(record):
        record["host"]["node"] = machine_mark("elsewhere")
        score = next(
            one for one in record["scores"] if one["metric"] == MAIN["their-shapes"] and one["protocol"] == "knn"
        )
        changed.update(score)
        score["value"] -= 0.25

    edit_json(bundle / "record.json", lower)
    rehash(bundle)
    answer = cli(
        "leaderboard", "verify", bundle.name, "--by", "somebody", "--board", str(copied), "--out", str(folder / "runs"),
        cwd=tmp_path, env=installed,
    )  # fmt: skip
    place = f"macro_average_precision of knn on their-shapes, seed {changed['seed']}, fold 0"
    assert f"largest difference 25.00 percentage points ({place})" in answer.stdout, answer.stdout + answer.stderr
    (verification,) = json.loads((bundle / "verified.json").read_text())
    assert (verification["by"], verification["furthest"], verification["where"]) == ("somebody", 0.25, place)


def rewrite_predictions(bundle: Path, change) -> None:
    path = bundle / "vector_predictions.parquet"
    table = parquet.read_table(path)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    change(columns)
    parquet.write_table(arrow.table(columns, schema=table.schema), path)
    rehash(bundle)


def raise_prediction(columns) -> None:
    columns["predicted"][0][0] += 0.5


def change_label(columns) -> None:
    columns["label"][0][0] += 1


def drop_number(columns) -> None:
    columns["predicted"][0] = columns["predicted"][0][:-1]


def hide_prediction(columns) -> None:
    columns["predicted"][0][0] = float("nan")


@pytest.mark.parametrize("dataset", MAIN)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (raise_prediction, "follows from its predictions"),
        (change_label, "1 samples have other labels than in the suite's test split"),
        (drop_number, "numbers per sample; the suite's target has"),
        (hide_prediction, "predicts a number that is not finite"),
    ],
)
def test_changed_predictions_and_labels_are_refused(board, tmp_path, dataset, change, told):
    folder, _ = board
    suite = read_suite(folder / "leaderboard", "both")
    (bundle,) = (folder / "leaderboard/results/both").glob(f"random-init-*{dataset}*")
    copied = tmp_path / "both" / bundle.name
    shutil.copytree(bundle, copied)
    assert not check_bundle(suite, copied, core_metrics()).problems
    rewrite_predictions(copied, change)
    assert any(told in problem for problem in check_bundle(suite, copied, core_metrics()).problems)


def test_changed_scores_of_a_label_are_refused(board, tmp_path):
    folder, _ = board
    suite = read_suite(folder / "leaderboard", "both")
    (bundle,) = (folder / "leaderboard/results/both").glob("random-init-*their-shapes*")
    copied = tmp_path / "both" / bundle.name
    shutil.copytree(bundle, copied)

    def tamper(record):
        record["labels"][0]["scores"]["average_precision"] = 0.123

    edit_json(copied / "record.json", tamper)
    rehash(copied)
    (problem,) = check_bundle(suite, copied, core_metrics()).problems
    assert "average_precision or support of label 'bars' does not match the predictions" in problem
