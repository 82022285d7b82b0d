"""Run studies through the command line: a YAML file, a plan, several workers, a status, a report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sslbench.api.errors import RequestError
from sslbench.app.study import folder_name
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.progress import StudyCounts, WorkerProgress, format_duration
from sslbench.report.console.study_progress import PlainStudyLog, describe_counts, describe_worker
from sslbench.results.record import VARYING_FIELDS
from sslbench.study.definition import find_study, flatten, read_study
from sslbench.study.grid import make_points
from tests.conftest import ROOT, TINY

BASE = {**{k: v for k, v in TINY.items() if k != "seeds"}, "method": "mae", "data": "digits", "threads": 1,
        "protocols": ["knn", "linear"], "baselines": "none", "train.precision": "float32", "train.checkpoint_seconds": 0.2}  # fmt: skip
STUDY = {
    "name": "votes",
    "summary": "how neighbors vote",
    "base": {**BASE, "seeds": [0, 1]},
    "axes": {"method.mask": [0.5, 0.75], "protocol_settings.knn.vote": ["exponential", "inverse"]},
    "tables": [
        {"name": "accuracy", "rows": ["method.mask", "protocol_settings.knn.vote"], "where": {"metric": "micro_accuracy"}},
        {"name": "wins", "kind": "wins", "axis": "method.mask", "where": {"metric": "micro_accuracy"}},
        {"name": "gains", "kind": "relative", "axis": "method.mask", "reference": 0.5, "where": {"metric": "micro_accuracy"}},
        {"name": "losses", "source": "training", "rows": ["method.mask"]},
    ],
    "figures": [
        {"name": "mask", "x": "method.mask", "hue": "protocol_settings.knn.vote", "where": {"metric": "macro_accuracy", "protocol": "knn"}},
        {"name": "bars", "kind": "bar", "x": "protocol", "panels": "method.mask", "where": {"metric": "micro_accuracy"}},
        {"name": "losses", "source": "training", "hue": "method.mask"},
        {"name": "wins", "kind": "wins", "axis": "method.mask", "where": {"metric": "micro_accuracy"}},
        {"name": "gains", "kind": "box", "x": "method.mask", "reference": 0.5, "where": {"metric": "micro_accuracy"}},
        {"name": "map", "kind": "heat", "x": "method.mask", "y": "protocol_settings.knn.vote", "where": {"metric": "micro_accuracy", "protocol": "knn"}},
    ],
    "scales": {
        "smoke": {
            "cost": "seconds", "base": {"seeds": [0]}, "axes": {"protocol_settings.knn.vote": None, "method.mask": [0.5]},
            "expect": [{"where": {"protocol": "knn", "metric": "micro_accuracy"}, "value": 0.5, "within": 0.5, "source": "a guess"}],
        }
    },
}  # fmt: skip


def write(folder: Path, content: dict, name: str = "study.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def study(content: dict, tmp_path: Path, scale: str = ""):
    return read_study(write(tmp_path, content), scale)


def test_axes_are_lists_ranges_and_named_groups(tmp_path):
    axes = {"train.epochs": {"from": 10, "to": 30, "step": 10}, "train.lr": {"from": 0.1, "to": 0.3, "step": 0.1},
            "arm": {"a": {"method": "mae", "method.mask": 0.5}, "b": {"method": "simclr"}}}  # fmt: skip
    found = study({"base": {"data": "digits", "train": {"batch_size": 32}}, "axes": axes}, tmp_path)
    assert [list(axis.values) for axis in found.axes] == [[10, 20, 30], [0.1, 0.2, 0.3], ["a", "b"]]
    points = make_points(found, ["train.batch_size=64"])
    assert len(points) == 18
    assert points[0].tree["method"] == {"name": "mae", "mask": 0.5}
    assert points[1].tree["method"] == {"name": "simclr"}
    assert points[-1].tree["train"] == {"epochs": 30, "lr": 0.3, "batch_size": 64}
    assert str(points[0]) == "train.epochs=10, train.lr=0.1, arm=a"


def test_a_scale_changes_the_base_and_the_axes(tmp_path):
    found = study(STUDY, tmp_path, "smoke")
    assert [axis.name for axis in found.axes] == ["method.mask"]
    assert found.base["seeds"] == [0]
    assert (folder_name(found, []), found.cost) == ("votes-smoke", "seconds")


@given(st.integers(-5, 5), st.integers(1, 5), st.integers(0, 8), st.sampled_from([1, 0.1, 0.25]))
def test_a_range_has_both_ends_and_no_rounding_errors(tmp_path_factory, start, step, count, unit):
    values = {"from": start * unit, "to": (start + step * count) * unit, "step": step * unit}
    folder = tmp_path_factory.mktemp("range")
    axis = study({"axes": {"train.lr": values}}, folder).axes[0]
    assert list(axis.values) == pytest.approx([(start + step * n) * unit for n in range(count + 1)])
    assert all(len(str(value)) < 8 for value in axis.values)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"axis": {}}, "axis: no such setting. Did you mean 'axes'?"),
        (
            {"axes": {"train.epochs": 3}},
            "axes.train.epochs: expected a list, a range {from, to, step} or named groups, got 3",
        ),
        (
            {"axes": {"train.epochs": {"from": 1, "to": 3}}},
            "axes.train.epochs: a range needs the numbers from, to and step",
        ),
        ({"axes": {"train.epochs": {"from": 3, "to": 1, "step": 1}}}, "a range needs a step above 0"),
        ({"axes": {"arm": {"a": 3}}}, "axes.arm.a: expected settings"),
        ({"axes": {"arm": [{"a": 1}]}}, "axes.arm: a list may have numbers and texts only. Use named groups"),
        ({"scales": {"big": 3}}, "scales.big=3: must be settings by name"),
        ({"axes": {"train.epochs": [1, 1]}}, "axes.train.epochs: has a value twice"),
        ({"tables": [{"nam": "x"}]}, "tables[0].nam: no such setting"),
        ({"scales": {"smoke": {"bas": {}}}}, "scales.smoke.bas: no such setting"),
        ([1, 2], "has no settings"),
    ],
)
def test_problems_of_a_study_are_reported(content, sentence, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(RequestError) as raised:
        read_study(path, "")
    assert sentence in str(raised.value)


def test_a_plan_reports_the_problems_of_all_points(cli, tmp_path):
    wrong = {**STUDY, "axes": {"method.mask": [0.5, 1.5], "backbone.name": ["micro-vit", "micro-cnn", "resnet-8"]},
             "base": {**BASE, "train.epoch": 3}, "tables": [{"name": "t", "rows": ["mask"]}]}  # fmt: skip
    answer = cli("study", "run", str(write(tmp_path, wrong)), "--out", str(tmp_path / "runs"))
    assert answer.returncode == 2
    for sentence in ("train.epoch: no such setting", "at method.mask=0.5, backbone.name=micro-cnn", "does not provide tokens",
                     "method.mask=1.5: must be above 0, below 1", "tables[t]: 'mask' is not an axis or a fact",
                     "backbone 'resnet-8' is not installed"):  # fmt: skip
        assert sentence in answer.stderr, answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "runs").exists()


def test_an_unknown_study_and_an_unknown_scale_are_reported(cli, tmp_path):
    answer = cli("study", "run", "no-such")
    assert answer.returncode == 2
    assert "study 'no-such': neither a file nor an installed study" in answer.stderr
    answer = cli("study", "run", str(write(tmp_path, STUDY)), "--scale", "smok")
    assert "--scale smok: study.yaml has no such scale. Did you mean 'smoke'?" in answer.stderr
    answer = cli("study", "run", str(write(tmp_path, STUDY)), "--executor", "locl")
    assert "executor 'locl' is not installed. Did you mean 'local'?" in answer.stderr
    answer = cli("study", "run", str(write(tmp_path, STUDY)), "executor.wokers=3")
    assert "executor.wokers: no such setting. Did you mean 'executor.workers'?" in answer.stderr


def test_a_plan_works_without_the_data_and_lists_missing_datasets(cli, tmp_path):
    path = write(
        tmp_path,
        {
            **STUDY,
            "base": {**BASE, "data": "mnist", "seeds": [0]},
            "axes": {"method.mask": [0.5, 0.75]},
            "tables": [],
            "figures": [],
        },
    )
    out = str(tmp_path / "runs")
    answer = cli("study", "run", str(path), "--plan", "--out", out)
    assert answer.returncode == 0, answer.stderr
    for sentence in ("2 points, 2 runs (0 of them baselines) of 1 seed\n", "dataset 'mnist' is not on this machine; planned with the numbers of its description",
                     "pretrain: 2 distinct stages", "sequentially", "estimated from similar stages"):  # fmt: skip
        assert sentence in answer.stdout, answer.stdout
    answer = cli("study", "run", str(path), "--out", out)
    assert answer.returncode == 3
    assert "dataset 'mnist' was not found" in answer.stderr


@pytest.fixture(scope="module")
def finished(cli, tmp_path_factory):
    """Run four points with two seeds and two workers; points that differ only in the vote share pretraining."""
    folder = tmp_path_factory.mktemp("study")
    path = write(folder, STUDY)
    answer = cli("study", "run", str(path), "--out", str(folder / "runs"), "executor.workers=2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, path, answer.stdout


def stages(out: Path) -> dict[str, int]:
    kinds = ("pretrain", "extract", "evaluate")
    return {kind: len(list((out / "stages" / kind).glob("*/stage.json"))) for kind in kinds}


def records(out: Path) -> dict[str, dict]:
    found = {}
    for path in sorted(out.glob("*/record.json")):
        content = json.loads(path.read_text())
        found[path.parent.name] = {k: v for k, v in content.items() if k not in VARYING_FIELDS}
    return found


def test_runs_with_an_equal_stage_make_it_once(finished):
    folder, _, text = finished
    assert stages(folder / "runs") == {"pretrain": 4, "extract": 4, "evaluate": 12}  # of 8, 8 and 16 asked for
    assert "4/4 runs" in text
    assert len(records(folder / "runs")) == 4
    assert not list((folder / "runs/stages").rglob(".*"))


def test_the_report_has_tables_figures_and_a_page(finished):
    folder, _, text = finished
    report = folder / "runs/studies/votes"
    table = pd.read_csv(report / "tables/accuracy.csv")
    assert len(table) == 8
    assert set(table["n"]) == {2}
    record = next(iter(records(folder / "runs").values()))
    values = [s["value"] for s in record["scores"] if s["metric"] == "micro_accuracy" and s["protocol"] == "linear" and s["chosen_on"] == "validation"]  # fmt: skip
    linear = table[(table["protocol"] == "linear") & (table["method.mask"] == record["method"]["settings"]["mask"])]
    assert linear["mean"].iloc[0] == pytest.approx(np.mean(values))
    for name in ("mask", "bars", "map"):
        assert (report / f"figures/{name}.png").stat().st_size > 5000
        assert (report / f"figures/{name}.svg").read_text().startswith("<?xml")
        assert len(pd.read_csv(report / f"figures/{name}.csv")) >= 8
    losses = pd.read_csv(report / "tables/losses.csv").set_index(["method.mask", "term", "epoch"])["mean"]
    history = [one["history"][-1]["loss"] for one in record["training"]]
    assert losses[record["method"]["settings"]["mask"], "loss", "last"] == pytest.approx(np.mean(history))
    means = table.pivot(index=["protocol", "protocol_settings.knn.vote"], columns="method.mask", values="mean")
    wins = pd.read_csv(report / "tables/wins.csv").set_index("method.mask")
    assert wins.loc[0.75, ["compared", "won"]].tolist() == [4, (means[0.75] > means[0.5]).sum()]
    gains = pd.read_csv(report / "tables/gains.csv").set_index("method.mask")
    assert gains.loc[0.75, "max"] == pytest.approx((100 * (means[0.75] / means[0.5] - 1)).max())
    for name in ("losses", "wins", "gains"):
        assert len(pd.read_csv(report / f"figures/{name}.csv"))
    page = (report / "index.html").read_text()
    assert "how neighbors vote" in page
    assert "figures/mask.svg" in page
    assert "Missing" not in page
    assert "exponential" in text
    assert f"report: {report}/index.html" in text


def test_status_and_a_repeated_run(finished, cli):
    folder, path, _ = finished
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("record.json")}
    assert len(before) == 4
    answer = cli("study", "status", str(path), "--out", str(folder / "runs"))
    assert answer.stdout.startswith("4 done, 0 running, 0 waiting, 0 failed, 0 stale of 4 runs")
    again = cli("study", "run", str(path), "--out", str(folder / "runs"))
    assert again.returncode == 0
    assert {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("record.json")} == before
    changed = {**STUDY, "base": {**STUDY["base"], "train.epochs": 3}}
    answer = cli("study", "status", str(write(folder, changed, "changed.yaml")), "--out", str(folder / "runs"))
    assert "0 done, 0 running, 4 waiting, 0 failed, 0 stale of 4 runs" in answer.stdout


def test_rows_of_other_versions_are_stale(finished, cli):
    folder, path, _ = finished
    listed = folder / "runs/studies/votes/study.json"
    kept = listed.read_text()
    content = json.loads(kept)
    content["earlier"] = [{**row, "run": "older"} for row in content["rows"][:1]]
    listed.write_text(json.dumps(content))
    (folder / "runs/older").mkdir()
    (folder / "runs/older/record.json").write_text("{}")
    moved = folder / "runs" / content["rows"][0]["run"]
    moved.rename(folder / "aside")
    try:
        answer = cli("study", "status", str(path), "--out", str(folder / "runs"))
        assert "3 done, 0 running, 0 waiting, 0 failed, 1 stale of 4 runs" in answer.stdout
        assert "stale" in answer.stdout.splitlines()[1]
    finally:
        (folder / "aside").rename(moved)
        (folder / "runs/older/record.json").unlink()
        (folder / "runs/older").rmdir()
        listed.write_text(kept)


def test_a_report_of_a_partial_study_lists_missing_runs(finished, cli):
    folder, path, _ = finished
    name = min(records(folder / "runs"))
    (folder / "runs" / name).rename(folder / "aside")
    try:
        answer = cli("study", "report", str(path), "--out", str(folder / "runs"))
        assert answer.returncode == 0, answer.stderr
        assert f"missing: {name}: not run yet" in answer.stdout
        assert "<h2>Missing</h2>" in (folder / "runs/studies/votes/index.html").read_text()
    finally:
        (folder / "aside").rename(folder / "runs" / name)


def test_a_report_of_a_study_without_runs_lists_missing_figures(cli, tmp_path):
    answer = cli("study", "report", str(write(tmp_path, STUDY)), "--out", str(tmp_path / "runs"))
    assert answer.returncode == 0, answer.stderr
    assert "missing: figure mask: no matching run is done" in answer.stdout


def test_lists_on_the_command_line_are_a_study_without_a_file(cli, tmp_path):
    arguments = [
        "--method",
        "mae,simclr",
        "--backbone",
        "micro-vit",
        "--augmentation",
        "crop,crop-flip",
        "--seeds",
        "0",
    ]
    overrides = [f"{k}={json.dumps(v)}" for k, v in TINY.items() if k != "seeds"]
    answer = cli("run", *arguments, "--dataset", "digits", "--protocols", "knn", "--baselines", "none", "--out", str(tmp_path), *overrides)  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert len(records(tmp_path)) == 4
    table = answer.stdout
    assert table.count("crop-flip") >= 2
    assert table.count("simclr") >= 2


def test_studies_are_found_by_path_name_and_plugin(cli, tmp_path):
    catalog = discover(installed_entries())
    assert find_study(catalog, str(write(tmp_path, STUDY))) == tmp_path / "study.yaml"
    installed = list(catalog.all("study"))
    assert installed
    for component in installed:
        read_study(component.spec.file, "smoke")
    answer = cli("list", "studies").stdout
    assert [component.name for component in installed if component.name not in answer] == []
    files = list((ROOT / "benchmarks/studies").glob("*"))
    assert files
    answer = cli("list", "studies", cwd=ROOT).stdout
    assert [path.stem for path in files if path.stem not in answer] == []


def test_a_study_with_overrides_has_a_separate_folder(tmp_path):
    study = read_study(write(tmp_path, STUDY), "")
    names = {folder_name(study, asked) for asked in ([], ["train.epochs=1"], ["train.epochs=2"])}
    assert len(names) == 3
    assert folder_name(study, []) == "votes"
    assert folder_name(study, ["view.size=8", "seeds=[0]"]) == folder_name(study, ["seeds=[0]", "view.size=8"])


STUDIES = [*ROOT.glob("benchmarks/studies/*.yaml"), *ROOT.glob("plugins/*/src/*/studies/*.yaml")]


@pytest.mark.parametrize("path", sorted(STUDIES), ids=lambda path: path.stem)
def test_every_study_of_the_project_states_its_cost_at_each_scale(path):
    content = yaml.safe_load(path.read_text())
    assert content["summary"]
    assert "smoke" in content["scales"]
    for scale in content["scales"]:
        assert read_study(path, scale).cost


def test_flatten_and_progress_texts(capsys):
    from rich.console import Console

    assert flatten({"method": "mae", "train": {"epochs": 3}, "a.b": {"c": [1]}}) == {
        "method.name": "mae",
        "train.epochs": 3,
        "a.b.c": [1],
    }
    assert [format_duration(s) for s in (5, 119, 121, 7300, 200_000)] == [
        "5 s",
        "119 s",
        "2.0 min",
        "2.0 h",
        "2.3 days",
    ]
    tally = StudyCounts(runs=4, runs_left=1, stages=10, stages_left=5, seconds_left=60.0)
    assert describe_counts(tally) == "3/4 runs, 5/10 stages, 60 s left"
    post = WorkerProgress(worker="w", title="mae seed 0 pretrain", done=1, total=4, detail="epoch 1/4", seconds=1.0)
    assert describe_worker(post) == "mae seed 0 pretrain: 25% epoch 1/4"
    lines = PlainStudyLog(Console(width=160))
    lines.show(tally, [post])
    lines.show(tally, [post])
    assert capsys.readouterr().out.count("3/4 runs") == 1
