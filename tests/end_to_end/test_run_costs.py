"""What a run prints of its cost: before it starts, while it goes on, and at its end."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from sslbench import environment
from sslbench.app.run import list_runs, order_runs, run_requests
from sslbench.app.run_costs import RunCosts
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.metrics import core_metrics
from sslbench.config.baselines import plan_with_baselines
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, make_plan
from sslbench.config.request import read_request
from sslbench.pipeline.stages import make_stages
from sslbench.progress import ExpectedStage, RunProgress
from sslbench.report.console.costs import run_lines, took_lines
from sslbench.report.console.progress_bars import PlainLog, StageBars
from sslbench.results.store import Store
from sslbench.study.estimate import estimate
from sslbench.study.rates import Rates
from tests.conftest import TINY

CATALOG = discover(installed_entries())


def planned(tmp_path, *overrides):
    tree = read_request(None, {"method": {"name": "mae"}, "data": {"name": "digits"}}, ["threads=1", *overrides])
    plan = make_plan(tree, CATALOG, DatasetCache(environment.places()), Machine(threads=1, precision="float32"))
    return [(plan, run.stages) for plan, run in list_runs([plan], Store(root=tmp_path), core_metrics())]


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(environment, "stopwatch", lambda: now[0])
    return now


def test_baselines_without_training_are_computed_last(tmp_path):
    """Their stages are short, so that all workers end at about the same time."""
    tree = read_request(None, {"method": {"name": "mae"}, "data": {"name": "digits"}}, ["threads=1"])
    machine = Machine(threads=1, precision="float32")
    plans = plan_with_baselines(tree, CATALOG, DatasetCache(environment.places()), machine, print)
    ordered = order_runs(list_runs(plans, Store(root=tmp_path), core_metrics()))
    trains = [plan.spec.trains for plan, _ in ordered]
    assert ordered[0][0].method.name == "mae"
    assert trains == sorted(trains, reverse=True)
    assert {True, False} == set(trains[1:])


def test_the_time_left_of_the_whole_never_grows(clock):
    stages = [ExpectedStage(title=name, kind="pretrain", seconds=100.0) for name in ("a", "b", "c")]
    whole = RunProgress(stages)
    told = []
    for name, seconds in (("a", 50), ("b", 400), ("c", 20)):  # faster than expected, much slower, faster
        whole.begin(name)
        for tenth in range(10):
            clock[0] += seconds / 10
            whole.advance(tenth + 1, 10)
            told.append(whole.seconds_left())
        if name == "b":
            assert whole.describe().startswith("training 2 of 3, ")
        whole.end()
    assert told == sorted(told, reverse=True)
    assert told[0] <= 300
    assert told[-1] == 0


def test_stages_that_another_worker_makes_count(clock):
    made = set()
    whole = RunProgress(
        [
            ExpectedStage(title=n, kind="pretrain", seconds=100.0, is_made=lambda n=n: n in made)
            for n in ("a", "b", "c")
        ],
        workers=2,
    )
    assert whole.seconds_left() == pytest.approx(150.0)
    whole.begin("a")
    clock[0] = 100.0
    made.update("ab")
    whole.end()
    whole.begin("c")
    assert whole.seconds_left() == pytest.approx(50.0)
    assert whole.describe().startswith("training 3 of 3, ")


def test_a_slow_machine_is_recognized_by_its_pace(clock):
    whole = RunProgress([ExpectedStage(title="a", kind="pretrain", seconds=100.0)])
    whole.begin("a")
    clock[0] = 10.0
    whole.advance(50, 100)
    assert whole.seconds_left() == pytest.approx(10.0)


def test_lines_of_progress_end_with_the_whole(clock):
    text = StringIO()
    lines = PlainLog(Console(file=text, width=200))
    lines.expect(RunProgress([ExpectedStage(title=name, kind="evaluate", seconds=600.0) for name in ("knn", "linear")]))
    with lines.stage("knn") as line:
        clock[0] += 60.0
        line.report_count(10, 100)
    assert "; evaluation 1 of 2, 19 min left in total" in text.getvalue()


def test_a_terminal_shows_a_bar_for_the_whole():
    text = StringIO()
    bars = StageBars(Console(file=text, width=120, force_terminal=True))
    bars.expect(RunProgress([ExpectedStage(title=name, kind="pretrain", seconds=600.0) for name in ("a", "b")]))
    with bars.stage("a") as line:
        line.report_count(1, 2)
    with bars.stage("b") as line:
        line.report_count(0, 2)
    assert "training 1 of 2" in text.getvalue()
    assert "training 2 of 2" in text.getvalue()
    assert "left in total" in text.getvalue()


def test_stages_of_unknown_cost_are_judged_by_those_that_are_like_them(tmp_path):
    rates = Rates()
    [(_, small)] = planned(tmp_path, "seeds=[0]", "train.epochs=2", "protocols=[knn]")
    for stage in small:
        rates.add(stage, 10.0, real=True)
    [(plan, stages)] = planned(tmp_path, "seeds=[0]", "train.epochs=4", "train.batch_size=32", "protocols=[knn,linear]")
    found = estimate([(plan, stages)], make_stages, 0.0, rates)
    assert found.seconds["pretrain"] == pytest.approx(20.0), "twice as many epochs, in batches of another size"
    assert found.unknown == 1, "nothing is known of a linear probe"
    assert found.guessed == 1


def test_measuring_ends_in_time_and_its_rates_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLBENCH_DATA", str(tmp_path))
    first = estimate(planned(tmp_path, "seeds=[0]", "protocols=[knn]"), make_stages, 1e-9)
    assert first.unknown + first.guessed > 0
    assert list(tmp_path.glob("rates/*.json"))
    asked = planned(tmp_path, "seeds=[0]", "protocols=[knn]")
    assert estimate(asked, make_stages, 60.0).seconds["pretrain"] > 0
    again = estimate(asked, make_stages, 0.0)
    assert (again.unknown, again.unmeasured) == (0, ())
    assert again.seconds["pretrain"] > 0


def test_a_component_that_is_unavailable_for_good_costs_nothing(tmp_path):
    asked_for = ("backbone.name=micro-cnn", "seeds=[0]", "protocols=[knn,finetune]")
    asked = planned(tmp_path, "method.name=pretrained", *asked_for)
    rates = Rates()
    for stage in planned(tmp_path, "method.name=random-init", *asked_for)[0][1]:
        rates.add(stage, 1000.0, real=True)
    found = estimate(asked, make_stages, 60.0, rates)
    assert found.by_method.get("pretrained", 0.0) == 0
    assert found.unavailable["evaluate"] == found.stages["evaluate"] > 0


def test_a_long_run_names_the_settings_that_make_it_shorter(tmp_path):
    rates = Rates()
    asked = planned(tmp_path, "seeds=[0,1]", "train.epochs=50", "protocols=[knn,linear]")
    plans = [plan for plan, _ in asked]
    for stage in asked[0][1]:
        rates.add(stage, 1.0, real=True)
    assert not any("To shorten it" in line for line in run_lines(plans, estimate(asked, make_stages, 0.0, rates)))
    for stage in asked[0][1]:
        rates.add(stage, 1000.0, real=True)
    lines = list(run_lines(plans, estimate(asked, make_stages, 0.0, rates)))
    place = lines.index("this takes longer than 10 min. To shorten it:")
    shared = "\n".join(run_lines(plans, estimate(asked, make_stages, 0.0, rates), workers=2))
    assert "on this machine in 2 processes; " in shared
    assert [line.split(" (")[0] for line in lines[place + 1 :]] == [
        "  seeds=0", "  train.epochs=25", "  --protocols knn"
    ]  # fmt: skip
    assert any(line.startswith("  by stage: ") for line in lines[:place])
    assert any(line.startswith("  by method: ") for line in lines[:place])


def test_a_run_states_what_it_reuses_and_what_took_the_time(tmp_path):
    text = StringIO()
    overrides = [f"{name}={json.dumps(value)}" for name, value in TINY.items()] + ["threads=1", "baselines=none"]

    def run(*more):
        show = PlainLog(Console(file=text, width=200))
        costs = RunCosts(show)
        lists = {"method": ["mae"], "data": ["digits"]}
        run_requests(lists, {}, [*overrides, *more], None, tmp_path, CATALOG, show, costs)
        return sum(seconds for seconds, _ in costs.spent()), {kind for _, kind in costs.spent()}

    run("protocols=[knn]")
    assert "1 pretraining, 1 feature table, 1 evaluation, about" in text.getvalue()
    seconds, kinds = run("protocols=[knn,linear]")
    assert "1 pretraining, 1 feature table, 1 evaluation; to compute: 1 evaluation, about" in text.getvalue()
    assert seconds > 0
    assert kinds == {"evaluate"}
    assert run("protocols=[knn,linear]") == (0, set())
    assert "reused: all results" in text.getvalue()


def test_the_last_line_states_the_largest_parts_of_the_time():
    [line] = took_lines({"pretrain": 90.0, "evaluate": 30.0, "extract": 0.1}, {"mae": 100.0, "supervised": 20.0})
    assert line == "computing time: 2.0 min (pretrainings 90 s, evaluations 30 s; mae 100 s, supervised 20 s)"
    assert list(took_lines({"evaluate": 0.2}, {"mae": 0.2})) == []


def test_a_plan_starts_nothing(cli, tmp_path):
    found = cli(
        "run",
        "--method",
        "mae",
        "--dataset",
        "digits",
        "--plan",
        "--out",
        str(tmp_path / "runs"),
        "seeds=[0]",
        "threads=1",
    )
    assert found.returncode == 0, found.stderr
    assert "about" in found.stdout
    assert "distinct stages" in found.stdout
    assert not (tmp_path / "runs").exists()
