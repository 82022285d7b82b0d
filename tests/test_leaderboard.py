"""Submissions: bundles follow from their predictions, or are refused by a sentence for every problem."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslbench import environment
from sslbench.api.errors import RequestError
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.keys import run_id
from sslbench.config.parts import Shelf
from sslbench.config.request import read_request
from sslbench.config.rows import plans_of
from sslbench.execute.here import this_machine
from sslbench.leaderboard.bundle import bits, unbits
from sslbench.leaderboard.check import check_bundle
from sslbench.leaderboard.commands import check_all, find_bundle
from sslbench.leaderboard.reproduce import command
from sslbench.leaderboard.submit import machine_mark
from sslbench.leaderboard.suite import read_suite
from sslbench.results.frames import read_record

from .boards import bundle_of, edit_json, edit_table, make_board, rehash


@pytest.fixture(scope="module")
def made(cli, tmp_path_factory) -> Path:
    return make_board(cli, tmp_path_factory.mktemp("made"))


@pytest.fixture
def board(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "leaderboard"))


def refused(board: Path) -> str:
    lines, good = check_all(board, ["small"])
    assert not good, lines
    return "\n".join(lines)


def problems(bundle: Path) -> str:
    """What is wrong with one bundle by itself."""
    return "\n".join(check_bundle(read_suite(bundle.parents[2], "small"), bundle).problems)


def test_everything_submitted_follows_from_its_predictions(made):
    lines, good = check_all(made, [])
    assert good, lines
    assert lines == ["small: 4 of 4 bundles follow from their predictions; 0 were run again by others"]
    for bundle in (made / "results/small").iterdir():
        assert sum(file.stat().st_size for file in bundle.iterdir()) < 200_000


def test_a_bundle_tells_nothing_of_the_machine_and_no_snapshot(made):
    for bundle in (made / "results/small").iterdir():
        text = (bundle / "record.json").read_text()
        assert str(made.parent) not in text
        assert f'"{environment.host()["node"]}"' not in text
        record = read_record(bundle / "record.json")
        assert all(score.epoch is None for score in record.scores)
        assert not record.keys


def test_the_suite_holds_labels_and_no_sample(made):
    suite = read_suite(made, "small")
    test = suite.datasets["digits"].tests["0"]
    assert len(test.labels) == 360
    assert suite.seeds == (0, 1, 2)
    assert suite.baselines == ("random-init", "raw-features", "supervised")
    assert (made / "suites/small.json").stat().st_size < 5000


def test_the_command_of_a_run_is_that_run(made):
    for bundle in sorted((made / "results/small").iterdir()):
        words = shlex.split(command(read_record(bundle / "record.json")))
        options = {"method": {"name": words[3]}, "data": {"name": words[5]}}
        assert (words[:3], words[4]) == (["sslbench", "run", "--method"], "--dataset")
        catalog = discover(installed_entries(), disabled=())
        plans = plans_of(
            read_request(None, options, words[6:]), catalog, Shelf(environment.places()), this_machine(), print
        )
        assert [run_id(plan) for plan in plans] == [bundle.name]


# ---- one thing changed at a time -------------------------------------------------------------------------------------


def _score(record, metric, protocol="knn", **more):
    return next(
        score for score in record["scores"]
        if (score["metric"], score["protocol"]) == (metric, protocol) and score["chosen_on"] != "query"
        and all(score[name] == value for name, value in more.items())
    )  # fmt: skip


def _set(record, path, value):
    for name in path[:-1]:
        record = record[name]
    record[path[-1]] = value


FORGED = {
    "metric": (lambda r: _score(r, "macro_accuracy").update(value=0.9999), "macro_accuracy is 0.999900, and"),
    "ami": (lambda r: _score(r, "ami_max", "clustering").update(value=0.9), "ami_max is 0.900000, and"),
    "null": (lambda r: _score(r, "ami_max_null", "clustering").update(value=0.3), "permuted labels give"),
    "class": (lambda r: r["classes"][3].update(recall=0.123), "is not what was predicted"),
    "lost class": (lambda r: r["classes"].pop(3) and None, "the record lacks class"),
    "lost metric": (lambda r: r["scores"].remove(_score(r, "micro_accuracy")), "and the record lacks it"),
    "invented": (
        lambda r: r["scores"].append({**_score(r, "micro_accuracy"), "setting": '{"shots": 3}'}),
        "no prediction that it follows from is submitted",
    ),
    "seed": (lambda r: _set(r, ["seeds", 2], 7), "has seeds 0, 1, 7; the suite's are 0, 1, 2"),
    "seed of answers": (lambda r: r["seeds"].remove(2), "holds answers of seed 2, which the record has not"),
    "pool": (lambda r: r.update(pool="all"), "learnt from pool all; the suite's is train"),
    "fold": (lambda r: r["folds"].append(1), "has folds 0, 1; the suite's are 0"),
    "fingerprint": (lambda r: _set(r, ["evaluated_on", 0, "fingerprint"], "0" * 32), "digits has fingerprint 000"),
    "dataset": (lambda r: _set(r, ["evaluated_on", 0, "part"], "other"), "is measured on other, which the suite has not"),
    "reader": (lambda r: _set(r, ["evaluated_on", 0, "version"], 9), "digits is read by version 9"),
    "protocol": (lambda r: _set(r, ["protocols", 0, "version"], 9), "knn is of version 9"),
    "setting": (
        lambda r: next(p for p in r["protocols"] if p["name"] == "knn")["settings"].update(temperature=0.5),
        "knn.temperature is 0.5; the suite's is 0.07",
    ),
    "unmeasured": (lambda r: r["protocols"].pop(0) and None, "is not measured by knn"),
    "range": (lambda r: _score(r, "rank_me", "diagnostics").update(value=-5), "rank_me is -5, which is not from 1"),
    "chosen": (
        lambda r: [s.update(chosen='{"k": 3}') for s in r["scores"] if s["chosen_on"] == "validation" and s["protocol"] == "knn"]
        and None,
        'and the record says {"k": 3}',
    ),
    "infinite": (lambda r: _score(r, "rank_me", "diagnostics").update(value=float("inf")), "Infinity is not finite"),
    "name": (lambda r: _set(r, ["method", "name"], "<script>alert(1)</script>"), "'<script>alert(1)</script>' is no name"),
    "path": (lambda r: _set(r, ["evaluated_on", 0, "part"], "../../x y"), "'../../x y' is no name"),
    "long": (lambda r: _set(r, ["method", "settings", "text"], "x" * 3000), "holds 3,000 characters"),
    "status": (lambda r: r.update(status="splendid"), "status 'splendid' is not possible"),
    "version": (lambda r: _set(r, ["method", "version"], "one"), "a version is no whole number"),
    "schema": (lambda r: r.update(schema=99), "record of schema 99"),
    "field": (lambda r: r.update(extra=1), "not a record"),
    "type": (lambda r: _score(r, "micro_accuracy").update(seed="0"), "not a score"),
    "json setting": (lambda r: _score(r, "micro_accuracy").update(setting="{"), "not a score"),
    "cost": (lambda r: r["cost"]["seconds"].update(pretrain=-1), "cost holds -1.0, which is no cost"),
    "no time": (lambda r: r["cost"]["seconds"].update(pretrain=0), "trains, and says that it took no time"),
    "one training": (
        lambda r: r["training"][1].update(history=r["training"][0]["history"]),
        "two seeds have the same losses in every epoch",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_record_is_refused_by_name(board, what):
    change, sentence = FORGED[what]
    bundle = bundle_of(board, "simclr")
    edit_json(bundle / "record.json", change)
    unreadable = what in ("infinite", "schema", "field")
    assert unreadable or "record.json is not the file that manifest.json holds the SHA-256 of" in problems(bundle)
    rehash(bundle)
    assert sentence in problems(bundle)


def _first(frame, column, value):
    frame.loc[frame.index[0], column] = value(frame.loc[frame.index[0], column]) if callable(value) else value
    return frame


TABLES = {
    "prediction": (lambda f: _first(f, "predicted", lambda v: (v + 1) % 10), "follows from its predictions"),
    "class": (lambda f: _first(f, "predicted", 10), "predicts a class that is none of the 10"),
    "label": (lambda f: _first(f, "label", lambda v: (v + 1) % 10), "1 labels are not those of the suite's test split"),
    "id": (lambda f: _first(f, "id", "stranger"), "sample ids are not the 360 of the suite's test split"),
    "twice": (lambda f: _first(f, "id", f["id"].iloc[1]), "1 test samples are answered twice"),
    "fewer": (lambda f: f.iloc[1:], "the 359 sample ids are not the 360"),
    "seed": (lambda f: f.assign(seed=f["seed"].replace(2, 5)), "holds answers of seed 5, which the record has not"),
    "no seed": (lambda f: f[f["seed"] != 2], "holds no answers of seed 2, which the record has"),
    "dataset": (lambda f: f.assign(dataset="x"), "the suite has no dataset 'x'; it has digits"),
    "fold": (lambda f: f.assign(fold=3), "the suite has no fold 3 of digits; it has 0"),
    "setting": (lambda f: f.assign(setting="nothing"), "its setting is no JSON object of plain values"),
}


@pytest.mark.parametrize("what", TABLES)
def test_forged_predictions_are_refused_by_name(board, what):
    change, sentence = TABLES[what]
    bundle = bundle_of(board, "simclr")
    edit_table(bundle / "predictions.parquet", change)
    assert "predictions.parquet is not the file that manifest.json holds the SHA-256 of" in problems(bundle)
    rehash(bundle)
    assert sentence in problems(bundle)


@settings(max_examples=60)
@given(st.data())
def test_whatever_a_record_holds_the_check_answers_in_sentences(made, tmp_path_factory, data):
    board = Path(shutil.copytree(made, tmp_path_factory.mktemp("odd") / "leaderboard"))
    bundle = bundle_of(board, "raw-features")
    name = data.draw(st.sampled_from(["record.json", "answers.json", "choices.json", "manifest.json"]))
    values = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5), lambda inner: st.lists(
        inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=4)  # fmt: skip

    def change(tree):
        node, parent, key = tree, None, None
        while isinstance(node, (dict, list)) and node and (parent is None or data.draw(st.integers(0, 3))):
            key = data.draw(st.sampled_from(sorted(node))) if isinstance(node, dict) else data.draw(
                st.integers(0, min(len(node), 5) - 1))  # fmt: skip
            parent, node = node, node[key]
        parent[key] = data.draw(values)

    edit_json(bundle / name, change)
    if name != "manifest.json":
        rehash(bundle)
    for sentence in check_bundle(read_suite(board, "small"), bundle).problems:
        assert sentence
        assert "\n" not in sentence


def test_a_text_too_long_for_a_table_is_refused(board):
    bundle = bundle_of(board, "simclr")
    edit_table(bundle / "predictions.parquet", lambda f: f.assign(setting="x" * 5000))
    rehash(bundle)
    assert "predictions.parquet: setting holds 5,000 characters; at most 500 are taken" in problems(bundle)


@settings(max_examples=15)
@given(st.data())
def test_no_single_prediction_can_be_changed(made, tmp_path_factory, data):
    board = Path(shutil.copytree(made, tmp_path_factory.mktemp("forged") / "leaderboard"))
    bundle = bundle_of(board, "random-init")

    def change(frame):
        row = data.draw(st.integers(0, len(frame) - 1))
        frame.loc[frame.index[row], "predicted"] = (frame["predicted"].iloc[row] + data.draw(st.integers(1, 9))) % 10
        return frame

    edit_table(bundle / "predictions.parquet", change)
    rehash(bundle)
    assert "follows from its predictions" in problems(bundle) or "is not what was predicted" in problems(bundle)


def test_clusters_choices_and_answers_are_looked_at_too(board):
    bundle = bundle_of(board, "simclr")
    edit_table(bundle / "assignments.parquet", lambda f: f.assign(cluster=f["label"]))
    rehash(bundle)
    assert "ami_max is" in problems(bundle)
    shutil.copy(bundle_of(board, "random-init") / "answers.json", bundle / "answers.json")
    rehash(bundle)
    assert "answers.json is not what follows from predictions.parquet" in problems(bundle)

    def worst(choices):
        for choice in choices:
            choice["among"][0]["validation"] = 1.1

    edit_json(bundle / "choices.json", worst)
    rehash(bundle)
    assert "is better on validation (1.1000)" in problems(bundle)
    (bundle / "choices.json").unlink()
    rehash(bundle)
    assert "says that it was chosen on validation, and no choices are submitted" in problems(bundle)


def test_what_is_no_bundle_is_refused(board, tmp_path):
    bundle = bundle_of(board, "simclr")

    def with_(name, content, sentence):
        before = (bundle / name).read_bytes() if (bundle / name).exists() else None
        (bundle / name).write_bytes(content)
        assert sentence in problems(bundle)
        (bundle / name).unlink() if before is None else (bundle / name).write_bytes(before)

    with_("weights.pkl", b"", "weights.pkl is no file of a bundle")
    with_("record.json", b"[" * 100_000, "record.json: cannot be read as JSON")
    with_("record.json", b"{}", "record of schema None")
    with_("record.json", b" " * 2_000_000, "at most 1,000,000 are taken")
    with_("predictions.parquet", b"PAR1 but not", "predictions.parquet is not the file")
    with_("manifest.json", b"[]", "manifest.json: expected settings")
    with_("manifest.json", b'{"suite": "small"}', "missing 3 required")
    manifest = json.loads((bundle / "manifest.json").read_text())
    for name, value, sentence in (
        ("run", "../../elsewhere", "run '../../elsewhere' is no name"),
        ("run", "another", "and manifest.json says small/another"),
        ("suite", "small/../x", "is no name"),
        ("schema", 7, "is of schema 7"),
        ("entry", "x" * 200, "no line of at most 80 printable characters"),
        ("entry", "two\nlines", "no line of at most 80 printable characters"),
        ("note", 3, "note is 3, expected str"),
        ("files", {**manifest["files"], "more.json": "0"}, "lists more.json, which is missing"),
    ):
        with_("manifest.json", json.dumps({**manifest, name: value}).encode(), sentence)
    (bundle / "choices.json").unlink()
    (bundle / "choices.json").symlink_to(tmp_path / "secret")
    assert "choices.json is no plain file" in problems(bundle)
    (bundle / "choices.json").unlink()
    (bundle / "predictions.parquet").unlink()
    assert "predictions.parquet is missing" in problems(bundle)


def test_parquet_of_other_columns_is_refused(board):
    bundle = bundle_of(board, "simclr")
    shutil.copy(bundle / "assignments.parquet", bundle / "predictions.parquet")
    rehash(bundle)
    assert "predictions.parquet has columns" in problems(bundle)
    (bundle / "predictions.parquet").write_bytes(b"PAR1")
    rehash(bundle)
    assert "predictions.parquet: cannot be read as Parquet" in problems(bundle)


def test_a_suite_needs_its_baselines_and_each_run_once(board):
    again = bundle_of(board, "simclr")
    twin = again.with_name(again.name[:-1] + ("0" if again.name[-1] != "0" else "1"))
    shutil.copytree(again, twin)
    edit_json(twin / "record.json", lambda r: r.update(run=twin.name))
    edit_json(twin / "manifest.json", lambda m: m.update(run=twin.name))
    rehash(twin)
    text = refused(board)
    assert "answers every sample as" in text
    assert "are both called 'simclr (micro-cnn)' on digits; name one otherwise with --entry" in text
    edit_json(twin / "record.json", lambda r: r["method"].update(version=2))
    rehash(twin)
    assert "is of several versions or components" in refused(board)
    shutil.rmtree(twin)
    shutil.rmtree(bundle_of(board, "raw-features"))
    assert "small: no raw-features on digits; submit that baseline beside the others" in refused(board)
    shutil.rmtree(bundle_of(board, "random-init"))
    shutil.rmtree(bundle_of(board, "supervised"))
    assert "small: no baseline with backbone micro-cnn on digits" in refused(board)
    shutil.copytree(board / "results/small", board / "results/other")
    assert "results of no suite: other" in "\n".join(check_all(board, [])[0])
    shutil.move(board / "suites/small.json", board / "suites/other.json")
    with pytest.raises(RequestError, match="is called 'small'; a suite's file has its name"):
        check_all(board, [])


# ---- submitting ------------------------------------------------------------------------------------------------------


def test_what_cannot_be_submitted_says_why(made, board, cli, tmp_path):
    runs = made.parent / "runs"
    run = next(runs.glob("simclr-*"))
    answer = cli("leaderboard", "submit", str(tmp_path), str(run), "--board", str(board))
    assert answer.returncode == 1
    assert "is no run's folder" in answer.stdout
    assert f"results/small/{run.name}: " in answer.stdout
    broken = Path(shutil.copytree(run, tmp_path / run.name))
    (broken / "choices.json").unlink()
    failed = Path(shutil.copytree(run, tmp_path / "failed"))
    edit_json(failed / "record.json", lambda r: r.update(status="failed", reason="it broke"))
    text = cli("leaderboard", "submit", str(broken), str(failed), "--board", str(board)).stdout
    assert "holds no choices.json: it predicts nothing, or an older version made it; run it again" in text
    assert "is failed: it broke; runs that are done can be submitted" in text
    edit_json(broken / "record.json", lambda r: _score(r, "micro_accuracy").update(value=1.0))
    shutil.copy(run / "choices.json", broken)
    assert "micro_accuracy is 1.000000, and" in cli("leaderboard", "submit", str(broken), "--board", str(board)).stdout
    answer = cli("leaderboard", "submit", str(run), str(run), "--entry", "x", "--board", str(board))
    assert "names one run, and 2 are submitted" in answer.stderr
    answer = cli("leaderboard", "submit", str(run), "--suite", "smal", "--board", str(board))
    assert answer.returncode == 2
    assert "suite 'smal' does not exist; possible: small" in answer.stderr
    assert "has no suite" in cli("leaderboard", "build", "--board", str(tmp_path)).stderr


def test_a_study_of_several_forms_is_no_suite(cli, tmp_path):
    (tmp_path / "mixed.yaml").write_text(
        "name: mixed\nbase: {method: random-init, data: digits, measure: [knn], backbone: micro-cnn}\n"
        "axes: {protocols.knn.temperature: [0.07, 0.2], seeds: [[0], [1]]}\n"
    )
    answer = cli("leaderboard", "suite", "mixed.yaml", cwd=tmp_path)
    assert answer.returncode == 2
    assert "mixed is no suite: its runs have protocol knn in several forms" in answer.stderr
    assert "its runs have several seeds: (0,), (1,)" in answer.stderr


def test_whoever_runs_it_again_elsewhere_says_how_far_apart(board, cli, tmp_path):
    bundle = bundle_of(board, "raw-features")
    arguments = ("leaderboard", "verify", bundle.name, "--by", "somebody", "--board", str(board))
    answer = cli(*arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert "was submitted from this machine; somebody else must run it again, elsewhere" in answer.stderr
    edit_json(bundle / "record.json", lambda r: r["host"].update(node=machine_mark("elsewhere")))
    rehash(bundle)
    answer = cli(*arguments, cwd=tmp_path)
    assert "at most 0.00 points apart" in answer.stdout, answer.stdout + answer.stderr
    lines, good = check_all(board, ["small"])
    assert good, lines
    assert "1 were run again by others" in lines[0]
    edit_json(bundle / "record.json", lambda r: r["host"].update(node=environment.node()))
    rehash(bundle)
    assert "'somebody' has verified another record" in refused(board)
    with pytest.raises(RequestError, match="run 'nothing' names no one submission"):
        find_bundle(board, "nothing")


@given(st.lists(st.booleans(), max_size=40))
def test_bits_come_back(values):
    assert unbits(bits(np.array(values, bool)), len(values)).tolist() == values
    with pytest.raises(ValueError, match="are not those of"):
        unbits(bits(np.array(values, bool)), len(values) + 9)
