"""A metric of a plugin outside the repository: one declaration and one function give a column everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sklearn.metrics import cohen_kappa_score

from sslbench import load_results
from tests.board_fixtures import STUDY, bundle_of, edit_json, rehash
from tests.installed_plugin import install_plugin

DECLARED = """
from sslbench.api import Derivation, Metric, hookimpl


@hookimpl
def sslbench_metrics():
    yield Metric(
        name="cohen_kappa", label="kappa", low=-1, high=1, digits=4, derived_from=Derivation.CONFUSION,
        compute="their_kappa_function:cohen_kappa", is_shown={shown}, summary="agreement beyond chance",
        source="Cohen (1960)",
    )
"""
FUNCTION = """
def cohen_kappa(matrix):
    expected = matrix.sum(0) @ matrix.sum(1) / matrix.sum() ** 2
    return (matrix.trace() / matrix.sum() - expected) / (1 - expected)
"""
RUN = (
    "run", "--method", "random-init", "--dataset", "digits", "--backbone", "micro-cnn", "--protocols", "knn", "--seeds", "0,1",
    "--baselines", "none", "--out", "runs",
)  # fmt: skip


def install(folder: Path, *, shown: bool) -> dict[str, str]:
    """Write a plugin with one metric, and return the environment in which it is installed."""
    installed = install_plugin(folder, "their_kappa", DECLARED.format(shown=shown))
    (folder / "their_kappa_function.py").write_text(FUNCTION)
    return installed


def kappa_of(folder: Path) -> dict[tuple[int, str], float]:
    """Return scikit-learn's kappa of each seed and protocol from the stored predictions."""
    import pandas as pd

    frame = pd.read_parquet(folder / "predictions.parquet")
    return {
        place: cohen_kappa_score(rows["label"], rows["predicted"])
        for place, rows in frame.groupby(["seed", "protocol"])
    }


def scores_of(out: Path, metric: str) -> dict[tuple[int, str], float]:
    found = load_results(out).scores.query("metric == @metric")
    return dict(zip(zip(found["seed"], found["protocol"], strict=True), found["value"], strict=True))


@pytest.mark.slow
def test_a_metric_is_a_column_where_it_is_shown_and_needs_no_new_evaluation(cli, tmp_path):
    first = cli(*RUN, cwd=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    stages = {path.parent: path.stat().st_mtime_ns for path in tmp_path.glob("runs/stages/*/*/stage.json")}
    assert not scores_of(tmp_path / "runs", "cohen_kappa")
    hidden = install(tmp_path / "plugin", shown=False)
    again = cli(*RUN, cwd=tmp_path, env=hidden)
    assert "kappa" not in again.stdout
    (run,) = tmp_path.glob("runs/random-init-*")
    assert scores_of(tmp_path / "runs", "cohen_kappa") == pytest.approx(kappa_of(run))
    assert stages == {path.parent: path.stat().st_mtime_ns for path in tmp_path.glob("runs/stages/*/*/stage.json")}
    asked = cli(*RUN, "--metrics", "cohen_kappa", cwd=tmp_path, env=hidden)
    assert re.search(r"knn\s+knn\s+knn\s*\n[^\n]*micro\s+macro\s+kappa", asked.stdout), asked.stdout
    assert re.search(r"0\.\d{4} ±0\.\d{4}", asked.stdout)  # with the digits of the metric
    unknown = cli(*RUN, "--metrics", "cohen_kapa", cwd=tmp_path, env=hidden)
    assert unknown.returncode == 2
    assert "Did you mean 'cohen_kappa'?" in unknown.stderr
    shown = cli(*RUN, cwd=tmp_path, env=install(tmp_path / "plugin", shown=True))
    assert re.search(r"micro\s+macro\s+kappa", shown.stdout), shown.stdout
    (page,) = tmp_path.glob("runs/random-init-*/index.html")
    assert "kappa" in page.read_text()
    without = cli(*RUN, cwd=tmp_path)
    assert "kappa" not in without.stdout  # the record is written again with what is installed
    listed = cli("list", "metrics", env=hidden).stdout
    assert re.search(r"cohen_kappa +agreement beyond chance  \[their-kappa 1\.0\]", listed)
    told = cli("show", "metric", "cohen_kappa", env=hidden).stdout
    assert "range: -1 to 1" in told
    assert "computed from stored confusion matrix" in told


def test_a_plugin_with_a_metric_passes_the_conformance_kit(cli, tmp_path):
    checked = cli("plugin", "check", "their-kappa", env=install(tmp_path / "plugin", shown=True))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert re.search(r"passed +lies_in_its_range", checked.stdout)


@pytest.fixture(scope="module")
def kappa_board(cli, tmp_path_factory):
    """A study, its suite that is ordered by kappa, and its submissions; only kappa's plugin makes this different."""
    folder = tmp_path_factory.mktemp("kappa")
    installed = install(folder / "plugin", shown=True)
    (folder / "small.yaml").write_text(STUDY.replace("summary:", "ranked_by: cohen_kappa\nsummary:", 1))
    for command in (("leaderboard", "suite", "small.yaml"), ("study", "run", "small.yaml")):
        answer = cli(*command, cwd=folder, env=installed)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = sorted(str(path) for path in (folder / "runs").glob("*digits*"))
    answer = cli("leaderboard", "submit", *runs, "--by", "the tests", cwd=folder, env=installed)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, installed


@pytest.mark.slow
def test_a_study_and_a_leaderboard_show_a_metric_and_order_by_it(cli, kappa_board):
    folder, installed = kappa_board
    table = (folder / "runs/studies/small/tables/scores.md").read_text()
    assert "knn kappa" in table
    built = cli("leaderboard", "build", cwd=folder, env=installed)
    assert built.returncode == 0, built.stdout + built.stderr
    page = (folder / "leaderboard/site/small/index.html").read_text()
    heads = re.findall(r'<button type="button" data-kind="(\w+)" data-best="(\w+)">([^<]*)</button>', page)
    assert heads[4:7] == [("number", "high", "kappa"), ("number", "high", "micro"), ("number", "high", "macro")]
    import pandas as pd

    board = pd.read_csv(folder / "leaderboard/tables/small.csv").query("protocol == 'knn'")
    assert board["cohen_kappa"].is_monotonic_decreasing
    assert board["cohen_kappa_ci95_half_width"].notna().any()
    order = pd.read_csv(folder / "leaderboard/tables/small.csv").query("protocol == 'knn' and rank == 1")
    assert len(order)


@pytest.mark.slow
def test_check_computes_a_plugins_metric_again(cli, kappa_board):
    folder, installed = kappa_board
    board = folder / "leaderboard"
    good = cli("leaderboard", "check", cwd=folder, env=installed)
    assert good.returncode == 0, good.stdout + good.stderr
    assert cli("leaderboard", "check", cwd=folder).returncode == 0  # without the plugin it cannot be computed
    bundle = bundle_of(board, "simclr")
    kept = (bundle / "record.json").read_text(), (bundle / "manifest.json").read_text()

    def tamper(record):
        one = next(s for s in record["scores"] if (s["metric"], s["protocol"]) == ("cohen_kappa", "knn"))
        one["value"] = 0.9999

    edit_json(bundle / "record.json", tamper)
    rehash(bundle)
    refused = cli("leaderboard", "check", cwd=folder, env=installed)
    assert refused.returncode == 1
    assert "cohen_kappa is 0.999900, but" in refused.stdout
    (bundle / "record.json").write_text(kept[0])
    (bundle / "manifest.json").write_text(kept[1])

    def remove(record):
        record["scores"] = [s for s in record["scores"] if s["metric"] != "cohen_kappa"]

    edit_json(bundle / "record.json", remove)
    rehash(bundle)
    assert "cohen_kappa is missing from the record" in cli("leaderboard", "check", cwd=folder, env=installed).stdout
    (bundle / "record.json").write_text(kept[0])
    (bundle / "manifest.json").write_text(kept[1])
    assert json.loads(kept[0])
