"""A metric of class scores of a plugin outside the repository: one function gives a column, an order and a check."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import top_k_accuracy_score

from sslbench import load_results
from tests.board_fixtures import STUDY, bundle_of, edit_json, edit_table, rehash
from tests.end_to_end.test_plugin_metric import RUN
from tests.installed_plugin import install_plugin

PLUGIN = """
from sslbench.api import Derivation, Metric, hookimpl


def top3(ranked):
    return (ranked.ranks <= 3).mean()


@hookimpl
def sslbench_metrics():
    yield Metric(
        name="top3_accuracy", label="top-3", low=0, high=1, derived_from=Derivation.RANKED_SCORES, compute=top3,
        is_shown=True, summary="share of samples whose class is among the three best",
    )
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str]:
    """Write the plugin, and return the environment in which it is installed."""
    return install_plugin(tmp_path_factory.mktemp("plugin"), "their_top3", PLUGIN)


def expected_of(path: Path) -> dict[tuple[int, str], float]:
    """Return scikit-learn's top-3 accuracy of each seed and protocol from the stored scores."""
    frame = pd.read_parquet(path)
    return {
        place: top_k_accuracy_score(rows["label"], np.stack(list(rows["class_scores"])), k=3, labels=np.arange(10))
        for place, rows in frame[frame["rank"] > 0].groupby(["seed", "protocol"])
    }


def test_the_plugin_passes_the_conformance_kit(cli, installed):
    checked = cli("plugin", "check", "their-top3", env=installed)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert re.search(r"passed +prefers_right_answers", checked.stdout)


@pytest.mark.slow
def test_a_run_shows_a_metric_of_scores(cli, installed, tmp_path):
    answer = cli(*RUN, cwd=tmp_path, env=installed)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"micro\s+macro\s+top-3", answer.stdout), answer.stdout
    (run,) = tmp_path.glob("runs/random-init-*")
    found = load_results(tmp_path / "runs").scores.query("metric == 'top3_accuracy'")
    values = dict(zip(zip(found["seed"], found["protocol"], strict=True), found["value"], strict=True))
    assert values == pytest.approx(expected_of(run / "predictions.parquet"))
    asked = cli(*RUN, "--metrics", "top5_accuracy,expected_calibration_error", cwd=tmp_path, env=installed)
    assert re.search(r"micro\s+macro\s+top-3\s+top-5\s+ECE|micro\s+macro\s+top-5\s+ECE\s+top-3", asked.stdout), (
        asked.stdout
    )


@pytest.fixture(scope="module")
def board(cli, installed, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("top3")
    (folder / "small.yaml").write_text(STUDY.replace("summary:", "ranked_by: top3_accuracy\nsummary:", 1))
    for command in (("leaderboard", "suite", "small.yaml"), ("study", "run", "small.yaml")):
        answer = cli(*command, cwd=folder, env=installed)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = sorted(str(path) for path in (folder / "runs").glob("*digits*"))
    answer = cli("leaderboard", "submit", *runs, "--by", "the tests", cwd=folder, env=installed)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


@pytest.mark.slow
def test_a_leaderboard_orders_by_a_metric_of_scores_and_computes_it_again(cli, board, installed):
    built = cli("leaderboard", "build", cwd=board, env=installed)
    assert built.returncode == 0, built.stdout + built.stderr
    page = (board / "leaderboard/site/small/index.html").read_text()
    assert '<button type="button" data-kind="number" data-best="high">top-3</button>' in page
    table = pd.read_csv(board / "leaderboard/tables/small.csv").query("protocol == 'knn'")
    assert table["top3_accuracy"].is_monotonic_decreasing
    bundle = bundle_of(board / "leaderboard", "simclr")
    assert cli("leaderboard", "check", cwd=board, env=installed).returncode == 0
    kept = {path: path.read_bytes() for path in bundle.iterdir()}

    def claim(record):
        one = next(s for s in record["scores"] if (s["metric"], s["protocol"]) == ("top3_accuracy", "knn"))
        one["value"] = 0.9999

    def raise_ranks(frame):
        return frame.assign(rank=np.minimum(frame["rank"], 2))

    for change, told in ((claim, "top3_accuracy is 0.999900, but"), (raise_ranks, "contradict their rank")):
        if change is claim:
            edit_json(bundle / "record.json", change)
        else:
            edit_table(bundle / "predictions.parquet", change)
        rehash(bundle)
        refused = cli("leaderboard", "check", cwd=board, env=installed)
        assert refused.returncode == 1
        assert told in refused.stdout
        for path, content in kept.items():
            path.write_bytes(content)
