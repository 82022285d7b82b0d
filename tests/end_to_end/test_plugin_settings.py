"""A protocol of a plugin outside the repository varies a setting, and every table shows its values separately."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from sslbench import load_results
from tests.board_fixtures import STUDY, bundle_of, edit_json, rehash
from tests.installed_plugin import install_plugin

SPEC = """
from dataclasses import dataclass

from sslbench.api import Citation, Need, ProtocolSpec, Varied, hookimpl


@dataclass(frozen=True, kw_only=True)
class Config:
    pass


@hookimpl
def sslbench_protocols():
    yield ProtocolSpec(
        name="their-probe", version=1, summary="a probe with two heads", config=Config, smoke=Config(),
        citation=Citation(title="Heads", authors="They", year=2024, url="https://example.org/heads"),
        build="their_heads_evaluator:Heads", needs=frozenset({Need.FEATURES}), targets=frozenset({"class"}),
        {declared}
    )
"""
EVALUATOR = """
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from sslbench.api import Outcome

HEADS = {
    "linear": lambda: LogisticRegression(max_iter=200),
    "mlp": lambda: MLPClassifier((8,), max_iter=5, random_state=0),
}


class Heads:
    def __init__(self, config):
        pass

    def measure(self, trial):
        table = trial.table()
        features = table.vectors()
        features = (features - features.mean(0)) / (features.std(0) + 1e-6)
        for place, task in enumerate(trial.tasks):
            for name, make in HEADS.items():
                head = make().fit(features[task.bank], table.target[task.bank])
                codes = head.predict(features[task.query]).astype(np.int64)
                yield Outcome(task=place, setting={"head": name}, rows=task.query, predicted=codes)
"""
DECLARED = 'varies=(Varied(name="head"),), label_fractions=False,'
BOARD_STUDY = STUDY.replace("[knn, linear, clustering, diagnostics]", "[knn, their-probe]").replace(
    "[0, 1, 2]", "[0, 1]"
)
BOARD_STUDY = BOARD_STUDY.replace("{method: simclr}}", "{method: simclr}, vicreg: {method: vicreg}}")
TABLES = """
tables: [{name: heads, rows: [method], columns: [metric], where: {protocol: their-probe, metric: micro_accuracy}}]
figures:
  - {name: mixed, kind: bar, x: method, where: {protocol: their-probe, metric: micro_accuracy}}
  - {name: split, kind: bar, x: head, where: {protocol: their-probe, metric: micro_accuracy, method: simclr}}
hypotheses:
  - claim: simclr beats random
    greater: {method: simclr}
    lesser: {method: random-init}
    where: {protocol: their-probe, metric: micro_accuracy}
"""


def install(folder: Path, declared: str = DECLARED) -> dict[str, str]:
    """Write the plugin, and return the environment in which it is installed."""
    installed = install_plugin(folder, "their_heads", SPEC.replace("{declared}", declared))
    (folder / "their_heads_evaluator.py").write_text(EVALUATOR)
    return installed


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str]:
    return install(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def board(cli, installed, tmp_path_factory) -> Path:
    """Run a study with the plugin's protocol and submit its runs; no run trains for more than an epoch."""
    folder = tmp_path_factory.mktemp("heads")
    (folder / "small.yaml").write_text(BOARD_STUDY + TABLES)
    for command in (("leaderboard", "suite", "small.yaml"), ("study", "run", "small.yaml")):
        answer = cli(*command, cwd=folder, env=installed)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = sorted(str(path) for path in (folder / "runs").glob("*digits*"))
    answer = cli("leaderboard", "submit", *runs, "--by", "the tests", cwd=folder, env=installed)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


def accuracy(folder: Path, method: str, head: str) -> float:
    scores = load_results(folder / "runs").scores.query("metric == 'micro_accuracy' and method == @method")
    own = scores[scores["setting"].map(lambda text: json.loads(text).get("head") == head)]
    return float(own.groupby("seed")["value"].mean().mean())


def test_a_run_has_a_column_for_every_value(cli, installed, tmp_path):
    made = ("run", "--method", "raw-features", "--dataset", "digits", "--protocols", "their-probe", "--seeds", "0",
            "--baselines", "none", "--out", "runs")  # fmt: skip
    answer = cli(*made, cwd=tmp_path, env={**installed, "COLUMNS": "160"})
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"their-probe:head=linear\s+their-probe:head=linear\s+their-probe:head=mlp", answer.stdout), (
        answer.stdout
    )
    record = json.loads(next((tmp_path / "runs").glob("raw-*/record.json")).read_text())
    assert next(one for one in record["varied"] if one["name"] == "head")["default"] == "each"
    values = {head: accuracy(tmp_path, "raw-features", head) for head in ("linear", "mlp")}
    assert values["linear"] != values["mlp"]
    for value in values.values():
        assert f"{value:.3f}" in answer.stdout


@pytest.mark.slow
def test_a_comparison_is_of_one_value(cli, installed, board):
    runs = [next((board / "runs").glob(f"{name}-*")).name for name in ("simclr", "raw-features")]
    compared = cli("compare", *runs, "--protocol", "their-probe:head=mlp", cwd=board, env=installed)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    for method in ("simclr", "raw-features"):
        assert f"{accuracy(board, method, 'mlp'):.3f}" in compared.stdout
    mixed = cli("compare", *runs, "--protocol", "their-probe", cwd=board, env=installed)
    assert mixed.returncode == 2
    assert "their-probe:head=linear, their-probe:head=mlp" in mixed.stderr


@pytest.mark.slow
def test_a_study_has_a_row_a_claim_and_no_mean_of_several_values(board):
    (folder,) = (board / "runs/studies").glob("small*")
    table = pd.read_csv(folder / "tables/heads.csv").set_index(["method", "head"])["mean"]
    assert set(table.index.get_level_values("head")) == {"linear", "mlp"}
    for head in ("linear", "mlp"):
        assert table["simclr", head] == pytest.approx(accuracy(board, "simclr", head))
    claims = pd.read_csv(folder / "tables/directions.csv")
    assert claims["place"].tolist() == ["linear", "mlp"]
    assert not (folder / "figures/mixed.png").exists()
    assert (folder / "figures/split.png").exists()
    assert (
        "figure mixed: head has several values. Name it in x, y, hue or panels" in (folder / "index.html").read_text()
    )


@pytest.mark.slow
def test_class_effects_are_of_one_value(cli, installed, board):
    name = ("class-effects", "small.yaml", "--axis", "arm", "--protocol", "their-probe")
    answer = cli(*name, cwd=board, env=installed)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (path,) = board.glob("runs/studies/small*/class-effects/arm-their-probe-recall/overall.csv")
    overall = pd.read_csv(path).set_index("head")
    for head in ("linear", "mlp"):
        gap = accuracy(board, "vicreg", head) - accuracy(board, "simclr", head)
        assert overall.loc[head, "micro_accuracy_difference"] == pytest.approx(gap)


@pytest.mark.slow
def test_a_leaderboard_has_a_board_for_every_value(cli, installed, board):
    built = cli("leaderboard", "build", cwd=board, env=installed)
    assert built.returncode == 0, built.stdout + built.stderr
    table = pd.read_csv(board / "leaderboard/tables/small.csv")
    assert set(table["protocol"]) == {"knn", "their-probe:head=linear", "their-probe:head=mlp"}
    for head in ("linear", "mlp"):
        own = table[(table["protocol"] == f"their-probe:head={head}") & table["entry"].str.startswith("simclr")]
        assert own["micro_accuracy"].item() == pytest.approx(accuracy(board, "simclr", head), abs=1e-4)
    page = (board / "leaderboard/site/small/index.html").read_text()
    assert "<option>their-probe:head=mlp</option>" in page
    assert cli("leaderboard", "check", cwd=board, env=installed).returncode == 0


@pytest.mark.slow
def test_a_submission_cannot_declare_other_settings_than_the_suite(cli, installed, board):
    bundle = bundle_of(board / "leaderboard", "simclr")
    kept = {path: path.read_bytes() for path in bundle.iterdir()}

    def average(record):
        next(one for one in record["varied"] if one["name"] == "head")["default"] = "mean"

    def forget(record):
        record["varied"] = [one for one in record["varied"] if one["name"] != "head"]

    for change, told in ((average, "otherwise than the suite"), (forget, "which no protocol declares")):
        edit_json(bundle / "record.json", change)
        rehash(bundle)
        refused = cli("leaderboard", "check", cwd=board, env=installed)
        assert refused.returncode == 1
        assert told in refused.stdout
        for path, content in kept.items():
            path.write_bytes(content)


def test_a_setting_that_is_not_declared_fails_the_run_and_the_kit(cli, tmp_path):
    silent = install(tmp_path / "plugin", "")
    made = ("run", "--method", "raw-features", "--dataset", "digits", "--protocols", "their-probe", "--seeds", "0",
            "--baselines", "none", "--out", "runs")  # fmt: skip
    answer = cli(*made, cwd=tmp_path, env=silent)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    told = "varies the setting 'head', which its spec does not declare. Add Varied(name='head') to varies"
    assert told in " ".join((answer.stdout + answer.stderr).split())
    checked = cli("plugin", "check", "their-heads", env=silent)
    assert checked.returncode == 1
    assert re.search(r"declares_what_it_varies", checked.stdout)
    assert told in " ".join(checked.stdout.split())


def test_a_plugin_that_declares_its_setting_passes_the_kit(cli, installed):
    checked = cli("plugin", "check", "their-heads", env=installed)
    assert re.search(r"passed +declares_what_it_varies", checked.stdout), checked.stdout
