"""Check submissions: numbers follow from predictions, or every problem is reported."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslbench import environment
from sslbench.api.errors import RequestError
from sslbench.api.metrics import Derivation
from sslbench.app.run import detect_machine
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.metrics import core_metrics
from sslbench.config.baselines import plan_with_baselines
from sslbench.config.datasets import DatasetCache
from sslbench.config.request import read_request
from sslbench.config.run_names import run_id
from sslbench.leaderboard.commands import check_all, find_bundle, submit_all
from sslbench.leaderboard.submission import submit as submit_module
from sslbench.leaderboard.submission.bundle import pack_bits, unpack_bits
from sslbench.leaderboard.submission.check import check_bundle
from sslbench.leaderboard.submission.command import repeat_command
from sslbench.leaderboard.submission.publication import machine_mark
from sslbench.leaderboard.submission.suite import read_suite
from sslbench.results.frames import read_record
from tests.board_fixtures import bundle_of, edit_json, edit_table, rehash
from tests.forgeries import FORGED, TABLES, score_of


def refused(board: Path) -> str:
    lines, good = check_all(board, ["small"], core_metrics())
    assert not good, lines
    return "\n".join(lines)


def problems(bundle: Path) -> str:
    """Return the problems of one bundle."""
    return "\n".join(check_bundle(read_suite(bundle.parents[2], "small"), bundle, core_metrics()).problems)


def test_submitted_numbers_follow_from_predictions(made_board):
    lines, good = check_all(made_board, [], core_metrics())
    assert good, lines
    assert lines == ["small: 4 of 4 bundles match their predictions; 0 were reproduced by others"]
    for bundle in (made_board / "results/small").iterdir():
        assert (
            sum(file.stat().st_size for file in bundle.iterdir()) < 300_000
        )  # 6,480 answers with scores of ten classes


def test_a_bundle_has_no_machine_name_and_no_earlier_epochs(made_board):
    bundles = list((made_board / "results/small").iterdir())
    assert len(bundles) == 4
    for bundle in bundles:
        text = (bundle / "record.json").read_text()
        assert str(made_board.parent) not in text
        assert f'"{environment.describe_host()["node"]}"' not in text
        record = read_record(bundle / "record.json")
        assert all(score.epoch is None for score in record.scores)
        assert not record.keys


def test_the_suite_holds_labels_and_no_sample(made_board):
    suite = read_suite(made_board, "small")
    test = suite.datasets["digits"].tests["0"]
    assert len(test.labels) == 360
    assert suite.seeds == (0, 1, 2)
    assert suite.baselines == ("random-init", "raw-features", "supervised")
    assert (made_board / "suites/small.json").stat().st_size < 5000


def test_a_suite_with_old_names_of_settings_accepts_its_bundles(board):
    suite = read_suite(board, "small")

    def use_old_names(tree):
        for name, old, new in (
            ("linear", "rates", "lrs"),
            ("linear", "decays", "weight_decays"),
            ("diagnostics", "most", "max_samples"),
        ):
            settings = tree["protocols"][name]["settings"]
            settings[old] = settings.pop(new)

    edit_json(board / "suites/small.json", use_old_names)
    assert read_suite(board, "small") == suite
    assert not problems(bundle_of(board, "simclr"))


def test_the_command_of_a_run_repeats_the_run(made_board):
    bundles = sorted((made_board / "results/small").iterdir())
    assert len(bundles) == 4
    for bundle in bundles:
        words = shlex.split(repeat_command(read_record(bundle / "record.json")))
        options = {"method": {"name": words[3]}, "data": {"name": words[5]}}
        assert (words[:3], words[4]) == (["sslbench", "run", "--method"], "--dataset")
        catalog = discover(installed_entries(), disabled=())
        plans = plan_with_baselines(
            read_request(None, options, words[6:]), catalog, DatasetCache(environment.places()), detect_machine(), print
        )
        assert [run_id(plan) for plan in plans] == [bundle.name]


# ---- one thing changed at a time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_record_is_refused_by_name(board, what):
    change, sentence = FORGED[what]
    bundle = bundle_of(board, "simclr")
    edit_json(bundle / "record.json", change)
    unreadable = what in ("infinite", "schema", "field")
    assert unreadable or "record.json: was changed after its submission" in problems(bundle)
    rehash(bundle)
    assert sentence in problems(bundle)


@pytest.mark.parametrize("what", TABLES)
def test_forged_predictions_are_refused_by_name(board, what):
    change, sentence = TABLES[what]
    bundle = bundle_of(board, "simclr")
    edit_table(bundle / "predictions.parquet", change)
    assert "predictions.parquet: was changed after its submission" in problems(bundle)
    rehash(bundle)
    assert sentence in problems(bundle)


@settings(max_examples=60)
@given(st.data())
def test_check_returns_sentences_for_any_record(made_board, tmp_path_factory, data):
    board = Path(shutil.copytree(made_board, tmp_path_factory.mktemp("odd") / "leaderboard"))
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
    for sentence in check_bundle(read_suite(board, "small"), bundle, core_metrics()).problems:
        assert sentence
        assert "\n" not in sentence


def test_a_text_too_long_for_a_table_is_refused(board):
    bundle = bundle_of(board, "simclr")
    edit_table(bundle / "predictions.parquet", lambda f: f.assign(setting="x" * 5000))
    rehash(bundle)
    assert "predictions.parquet: setting has 5,000 characters; at most 500 are allowed" in problems(bundle)


@settings(max_examples=15)
@given(st.data())
def test_no_single_prediction_can_be_changed(made_board, tmp_path_factory, data):
    board = Path(shutil.copytree(made_board, tmp_path_factory.mktemp("forged") / "leaderboard"))
    bundle = bundle_of(board, "random-init")

    def change(frame):
        row = data.draw(st.integers(0, len(frame) - 1))
        frame.loc[frame.index[row], "predicted"] = (frame["predicted"].iloc[row] + data.draw(st.integers(1, 9))) % 10
        return frame

    edit_table(bundle / "predictions.parquet", change)
    rehash(bundle)
    assert "contradict their rank or predicted class" in problems(bundle)


def test_a_bundle_without_class_scores_is_valid_without_their_metrics(board):
    bundle = bundle_of(board, "simclr")
    table = parquet.read_table(bundle / "predictions.parquet")
    parquet.write_table(table.drop_columns(["rank", "best_classes", "class_scores"]), bundle / "predictions.parquet")
    rehash(bundle)
    assert "reports brier_score, which does not follow from its predictions" in problems(bundle)

    def remove(record):
        derived = [m.name for m in core_metrics().derived(Derivation.RANKED_SCORES)]
        record["scores"] = [s for s in record["scores"] if s["metric"] not in derived]

    edit_json(bundle / "record.json", remove)
    rehash(bundle)
    assert not problems(bundle)
    edit_json(board / "suites/small.json", lambda suite: suite.update(ranked_by="brier_score"))
    assert "has no scores of classes, but suite 'small' is ranked by brier_score" in problems(bundle)


def test_class_scores_are_left_out_of_a_bundle_that_would_be_too_large(board, made_board, monkeypatch):
    bundle = bundle_of(board, "simclr")
    size = sum(file.stat().st_size for file in bundle.iterdir())
    monkeypatch.setattr(submit_module, "MAX_BYTES", size - 1)
    lines, good = submit_all(
        board, "small", [made_board.parent / "runs" / bundle.name], core_metrics(), entry="", by="the tests", note=""
    )
    assert good, lines
    assert "without class scores and the metrics computed from them, as the bundle would exceed 1 MB" in lines[1]
    assert sum(file.stat().st_size for file in bundle.iterdir()) < size
    assert not problems(bundle)


def test_class_scores_are_not_left_out_where_they_order_a_suite(board, made_board, monkeypatch):
    edit_json(board / "suites/small.json", lambda suite: suite.update(ranked_by="brier_score"))
    bundle = bundle_of(board, "simclr")
    size = sum(file.stat().st_size for file in bundle.iterdir())
    monkeypatch.setattr(submit_module, "MAX_BYTES", size - 1)
    run = made_board.parent / "runs" / bundle.name
    lines, good = submit_all(board, "small", [run], core_metrics(), entry="", by="the tests", note="")
    assert not good
    assert "with the scores of classes; at most" in lines[0]
    assert "suite 'small' is ranked by brier_score, which follows from them" in lines[0]


def test_clusters_choices_and_answers_are_checked(board):
    bundle = bundle_of(board, "simclr")
    edit_table(bundle / "assignments.parquet", lambda f: f.assign(cluster=f["label"]))
    rehash(bundle)
    assert "ami_max is" in problems(bundle)
    other = bundle_of(board, "raw-features")  # every clustering has the suite's labels, not the first alone
    edit_table(other / "assignments.parquet", lambda f: f.assign(label=f["cluster"].where(f["fit"] == 1, f["label"])))
    rehash(other)
    assert "samples have another label than in the suite's test split" in problems(other)
    shutil.copy(bundle_of(board, "random-init") / "answers.json", bundle / "answers.json")
    rehash(bundle)
    assert "answers.json does not match predictions.parquet" in problems(bundle)

    def worst(choices):
        for choice in choices:
            choice["among"][0]["validation"] = 1.1

    edit_json(bundle / "choices.json", worst)
    rehash(bundle)
    assert "is better on validation (1.1000)" in problems(bundle)
    (bundle / "choices.json").unlink()
    rehash(bundle)
    assert "is marked as chosen on validation, but choices.json has no entry for it" in problems(bundle)


def test_files_that_are_not_a_bundle_are_refused(board, tmp_path):
    bundle = bundle_of(board, "simclr")

    def with_(name, content, sentence):
        before = (bundle / name).read_bytes() if (bundle / name).exists() else None
        (bundle / name).write_bytes(content)
        assert sentence in problems(bundle)
        (bundle / name).unlink() if before is None else (bundle / name).write_bytes(before)

    with_("weights.pkl", b"", "weights.pkl is not a file of a bundle")
    with_("record.json", b"[" * 100_000, "record.json: cannot be read as JSON")
    with_("record.json", b"{}", "has format None")
    with_("record.json", b" " * 2_000_000, "at most 1,000,000 are allowed")
    with_("predictions.parquet", b"PAR1 but not", "predictions.parquet: was changed after its submission")
    with_("manifest.json", b"[]", "manifest.json: []: must be settings by name")
    with_(
        "manifest.json",
        b'{"suite": "small"}',
        "manifest.json: run: is required; manifest.json: entry: is required; manifest.json: by: is required",
    )
    manifest = json.loads((bundle / "manifest.json").read_text())
    for name, value, sentence in (
        ("run", "../../elsewhere", "run '../../elsewhere' is not a valid name"),
        ("run", "another", "but manifest.json states small/another"),
        ("suite", "small/../x", "is not a valid name"),
        ("schema", 7, "has format 7"),
        ("entry", "x" * 200, "must be one line of at most 80 printable characters"),
        ("entry", "two\nlines", "must be one line of at most 80 printable characters"),
        ("note", 3, "manifest.json: note=3: must be text"),
        ("files", {**manifest["files"], "more.json": "0"}, "lists more.json, which is missing"),
    ):
        with_("manifest.json", json.dumps({**manifest, name: value}).encode(), sentence)
    (bundle / "choices.json").unlink()
    (bundle / "choices.json").symlink_to(tmp_path / "secret")
    assert "choices.json is not a regular file" in problems(bundle)
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
    assert "has the same answers as" in text
    assert "both have entry name 'simclr (micro-cnn)' on digits. Submit one of them again with --entry NAME" in text
    edit_json(twin / "record.json", lambda r: r["method"].update(version=2))
    rehash(twin)
    assert (
        "differ in the method, the backbone or their versions. Submit one of them again with --entry NAME"
        in refused(board)
    )
    shutil.rmtree(twin)
    shutil.rmtree(bundle_of(board, "raw-features"))
    assert "small: no raw-features on digits. Submit this baseline too" in refused(board)
    shutil.rmtree(bundle_of(board, "random-init"))
    shutil.rmtree(bundle_of(board, "supervised"))
    assert "small: no baseline with backbone micro-cnn on digits" in refused(board)
    shutil.copytree(board / "results/small", board / "results/other")
    assert "results of no suite: other" in "\n".join(check_all(board, [], core_metrics())[0])
    shutil.move(board / "suites/small.json", board / "suites/other.json")
    with pytest.raises(RequestError, match="has name 'small': must equal the file name"):
        check_all(board, [], core_metrics())


# ---- submitting ------------------------------------------------------------------------------------------------------


def test_a_refused_submission_states_the_reason(made_board, board, cli, tmp_path):
    runs = made_board.parent / "runs"
    run = next(runs.glob("simclr-*"))
    answer = cli("leaderboard", "submit", str(tmp_path), str(run), "--board", str(board))
    assert answer.returncode == 1
    assert "is not a run: no record.json in" in answer.stdout
    assert f"results/small/{run.name}: " in answer.stdout
    broken = Path(shutil.copytree(run, tmp_path / run.name))
    (broken / "choices.json").unlink()
    failed = Path(shutil.copytree(run, tmp_path / "failed"))
    edit_json(failed / "record.json", lambda r: r.update(status="failed", reason="it broke"))
    text = cli("leaderboard", "submit", str(broken), str(failed), "--board", str(board)).stdout
    assert "has no choices.json: the run has no predictions or was made by an older version. Run it again" in text
    assert "has status failed: it broke. Only finished runs can be submitted" in text
    edit_json(broken / "record.json", lambda r: score_of(r, "micro_accuracy").update(value=1.0))
    shutil.copy(run / "choices.json", broken)
    assert "micro_accuracy is 1.000000, but" in cli("leaderboard", "submit", str(broken), "--board", str(board)).stdout
    answer = cli("leaderboard", "submit", str(run), str(run), "--entry", "x", "--board", str(board))
    assert "names one run, but 2 were given" in answer.stderr
    empty = tmp_path / "empty"
    answer = cli("leaderboard", "submit", str(run), "--board", str(empty))
    assert f"--suite: is required, unless there is exactly one suite. Suites: none in {empty}" in answer.stderr
    answer = cli("leaderboard", "submit", str(run), "--suite", "smal", "--board", str(board))
    assert answer.returncode == 2
    assert "suite 'smal': does not exist. Suites: small" in answer.stderr
    assert "has no suite" in cli("leaderboard", "build", "--board", str(tmp_path)).stderr


def test_a_study_of_several_forms_is_no_suite(cli, tmp_path):
    (tmp_path / "mixed.yaml").write_text(
        "name: mixed\nbase: {method: random-init, data: digits, protocols: [knn], backbone: micro-cnn}\n"
        "axes: {protocol_settings.knn.temperature: [0.07, 0.2], seeds: [[0], [1]]}\n"
    )
    answer = cli("leaderboard", "suite", "mixed.yaml", cwd=tmp_path)
    assert answer.returncode == 2
    assert "study mixed cannot become a suite: its runs use protocol knn with different settings" in answer.stderr
    assert "its runs have different seeds: (0,), (1,)" in answer.stderr


def test_verify_records_the_largest_difference_on_another_machine(board, cli, tmp_path):
    bundle = bundle_of(board, "raw-features")
    arguments = ("leaderboard", "verify", bundle.name, "--by", "somebody", "--board", str(board))
    answer = cli(*arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert "was submitted from this machine. Someone else must reproduce it on another machine" in answer.stderr
    edit_json(bundle / "record.json", lambda r: r["host"].update(node=machine_mark("elsewhere")))
    rehash(bundle)
    answer = cli(*arguments, cwd=tmp_path)
    assert "largest difference 0.00 percentage points" in answer.stdout, answer.stdout + answer.stderr
    lines, good = check_all(board, ["small"], core_metrics())
    assert good, lines
    assert "1 were reproduced by others" in lines[0]
    edit_json(bundle / "record.json", lambda r: r["host"].update(node=environment.host_name()))
    rehash(bundle)
    assert "'somebody' verified a different record" in refused(board)
    with pytest.raises(RequestError, match="run 'nothing': expected one submission of this name"):
        find_bundle(board, "nothing")


@given(st.lists(st.booleans(), max_size=40))
def test_packed_bits_are_unpacked(values):
    assert unpack_bits(pack_bits(np.array(values, bool)), len(values)).tolist() == values
    with pytest.raises(ValueError, match="do not fit"):
        unpack_bits(pack_bits(np.array(values, bool)), len(values) + 9)
