"""What stages cost: the time that is left, and the memory of each alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sslbench import environment
from sslbench.app.study_folder import StudyCounter
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, make_plan
from sslbench.config.request import read_request
from sslbench.pipeline.stages import make_stages
from sslbench.protocols.finetune_evaluator import Classifier
from sslbench.results.store import Store
from sslbench.stages.graph import Run, Stage
from sslbench.stages.stage import DONE
from sslbench.study.estimate import estimate
from sslbench.study.measure import FIT_STEPS
from sslbench.study.rates import Rates, open_rates
from sslbench.study.status import StageCosts


def test_time_left_is_estimated_from_rows_of_the_same_shape_then_kind(tmp_path):
    def stage(name: str, kind: str, shape: str, rows: int, seconds: float | None = None) -> Stage:
        made = Stage(
            kind=kind, key=name, folder=tmp_path / name, title=name, waits_for=(), make=print, shape=shape, rows=rows
        )
        if seconds is not None:
            made.folder.mkdir()
            (made.folder / DONE).write_text(json.dumps({"seconds": seconds}))
        return made

    costs = StageCosts()
    assert costs.estimate([]) == 0
    assert costs.estimate([stage("a", "pretrain", "narrow", 10)]) is None
    assert costs.learn(stage("b", "pretrain", "narrow", 100, 10.0)) == 10
    assert costs.learn(stage("c", "pretrain", "wide", 100, 30.0)) == 30
    assert costs.estimate([stage("d", "pretrain", "narrow", 50), stage("e", "pretrain", "wide", 10)]) == pytest.approx(
        5 + 3
    )
    assert costs.estimate([stage("f", "pretrain", "new", 100)]) == pytest.approx(20)
    assert costs.estimate([stage("g", "pretrain", "narrow", 50), stage("h", "extract", "narrow-features", 50)]) is None


def test_the_time_left_of_a_study_is_known_from_the_start_and_never_grows(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLBENCH_DATA", str(tmp_path / "data"))
    now = [0.0]
    monkeypatch.setattr(environment, "stopwatch", lambda: now[0])
    stages = [
        Stage(
            kind="pretrain",
            key=str(n),
            folder=tmp_path / str(n),
            title="",
            waits_for=(),
            make=print,
            shape="s",
            rows=10,
        )
        for n in range(4)
    ]
    run = Run(name="run", stages=tuple(stages), record=tmp_path / "record.json", finish=print)
    assert StudyCounter([run]).count().seconds_left is None, "nothing is known"
    rates = open_rates()
    rates.add(stages[0], 100.0, real=True)
    rates.save()
    counter = StudyCounter([run], workers=2)
    assert counter.count().seconds_left == pytest.approx(200.0)
    told = []
    for stage, seconds in zip(stages, (300.0, 50.0, 50.0, 50.0), strict=True):
        now[0] += seconds
        stage.folder.mkdir()
        (stage.folder / DONE).write_text(json.dumps({"seconds": seconds}))
        told.append(counter.count().seconds_left)
    assert told == sorted(told, reverse=True)
    assert (told[0], told[-1]) == (pytest.approx(200.0), 0.0)


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="this system keeps one peak for a process's whole life"
)
def test_a_peak_can_be_forgotten():
    environment.reset_peak_memory()
    before = environment.peak_memory()
    held = np.ones(300 * 2**20, np.uint8)
    assert environment.peak_memory() > before + 250 * 2**20
    del held
    environment.reset_peak_memory()
    assert environment.peak_memory() < before + 100 * 2**20


@pytest.fixture
def asked():
    tree = read_request(None, {"method": {"name": "random-init"}, "data": {"name": "digits"}}, [
        "seeds=[0]", "threads=1", "protocols=[knn,linear,finetune]", "splits.label_fractions=[0.05,1.0]",
        "backbone={name: micro-cnn, widths: [8, 8, 16, 16]}",
    ])  # fmt: skip
    catalog = discover(installed_entries())
    return make_plan(tree, catalog, DatasetCache(environment.places()), Machine(threads=1, precision="float32"))


def test_rows_of_an_evaluation_are_those_that_its_trainings_pass(asked):
    rows = {
        (stage.facts["protocol"], stage.facts["fraction"]): stage.rows
        for stage in make_stages(asked, Store(root=Path("out"), prepared=Path("prepared")))
        if stage.kind == "evaluate"
    }
    assert rows["knn", 1.0] == 1797
    assert 400 * 8 <= rows["finetune", 0.05] < 410 * 16, "sixty labels, in batches of fifteen"
    assert 400 * 128 <= rows["finetune", 1.0] < 410 * 128
    assert rows["linear", 0.05] == 1200 * 61
    assert rows["linear", 1.0] == 1200 * 256


def test_a_plan_times_a_few_steps_of_a_training_and_not_its_minimum_of_steps(asked, monkeypatch):
    steps = []
    loss = Classifier.loss
    monkeypatch.setattr(Classifier, "loss", lambda self, batch, step: steps.append(1) or loss(self, batch, step))
    stages = list(make_stages(asked, Store(root=Path("out"), prepared=Path("prepared"))))
    found = estimate([(asked, stages)], make_stages, 60.0, Rates())
    assert found.unmeasured == ()
    assert len(steps) <= 2 * (FIT_STEPS + 2)
    assert found.seconds["evaluate"] > 0
