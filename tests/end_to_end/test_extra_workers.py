"""Extra workers of one run: when they are started, and that they make the same stages and write no record."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

import sslbench
from sslbench import environment
from sslbench.app import extra_workers as extra
from sslbench.app.run import detect_machine
from sslbench.catalog.metrics import core_metrics
from sslbench.config.plan import Machine
from sslbench.pipeline.stages import make_run
from sslbench.results.frames import read_record
from sslbench.results.store import Store
from sslbench.stages.stage import is_finished
from tests.stage_plans import image_tree, planned

TWO_CORES = Machine(threads=2, precision="float32", small_threads=1)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "count_cores", lambda: 2)
    monkeypatch.setattr(environment, "count_gpus", lambda: 0)
    monkeypatch.setattr(environment, "free_memory", lambda: 8 * 2**30)


def count(*overrides: str, machine: Machine = TWO_CORES, **choices) -> int:
    plan = planned(*overrides, machine=machine, **choices)
    return extra.count_extra_workers(
        [plan], make_run(plan, Store(root=Path("out"), prepared=Path("prepared")), core_metrics()).stages
    )


def test_few_small_images_get_one_thread_in_any_request(tmp_path):
    """The number of seeds must not change the threads: they are part of every key."""
    for overrides in ((), ("seeds=[0,1,2]",), ("protocols=[knn]",)):
        assert planned(*overrides, machine=TWO_CORES).threads == 1
    assert planned("view.size=64", "augmentation.name=crop", machine=TWO_CORES).threads == 2
    assert planned("threads=2", machine=TWO_CORES).threads == 2
    assert planned(machine=replace(TWO_CORES, small_threads=None)).threads == 2
    tree = image_tree(tmp_path, sides=(64, 64))
    assert planned(machine=TWO_CORES, method="simclr", data={"name": "image-folder", "root": str(tree)}).threads == 2


@pytest.mark.usefixtures("two_cores")
def test_a_second_worker_starts_where_a_core_is_idle_and_the_work_is_worth_it(monkeypatch):
    long = ("seeds=[0,1,2]", "train.epochs=100")
    assert count(*long) == 1
    assert count("train.epochs=1", "protocols=[knn]") == 0  # it would end before a second process has started
    assert count("seeds=[0]", "train.epochs=1000", "protocols=[diagnostics]") == 0  # one training: nothing to share
    assert count(*long, "threads=1") == 0  # a setting of threads limits the cores of the run
    assert count(*long, machine=replace(TWO_CORES, small_threads=None)) == 0
    monkeypatch.setattr(environment, "free_memory", lambda: 2**30)
    assert count(*long) == 0


def test_an_extra_worker_makes_the_stages_that_the_run_would_make_and_closes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(extra, "count_extra_workers", lambda plans, stages: 1)
    machine = detect_machine()
    overrides = ("train.epochs=1", "protocols=[knn]", "seeds=[0,1]")
    store, alone = Store(root=tmp_path / "shared"), Store(root=tmp_path / "alone")
    plan = planned(*overrides, machine=machine)
    run = make_run(plan, store, core_metrics())
    said: list[str] = []
    with extra.extra_workers([plan], run.stages, store, said.append):
        until = time.monotonic() + 120
        while time.monotonic() < until and not all(is_finished(stage.folder) for stage in run.stages):
            time.sleep(0.1)
        time.sleep(0.5)
    assert all(is_finished(stage.folder) for stage in run.stages), said
    assert not run.record.exists()
    assert said == []
    monkeypatch.setattr(extra, "count_extra_workers", lambda plans, stages: 0)
    settings = {"train.epochs": 1, "protocols": ["knn"], "seeds": [0, 1], "baselines": "none"}
    before = {stage.folder: stage.folder.stat().st_mtime_ns for stage in run.stages}
    reused = sslbench.run("mae", "digits", out=store.root, settings=settings).records[0]
    assert {folder: folder.stat().st_mtime_ns for folder in before} == before
    made = sslbench.run("mae", "digits", out=alone.root, settings=settings).records[0]
    assert (reused.run, reused.scores) == (made.run, made.scores)
    assert read_record(run.record).scores == made.scores


def test_a_worker_that_fails_is_reported_and_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(extra, "count_extra_workers", lambda plans, stages: 1)
    monkeypatch.setattr(extra, "PROGRAM", "sslbench.no_such_program")
    said: list[str] = []
    with extra.extra_workers([planned()], [], Store(root=tmp_path), said.append):
        time.sleep(2)
    assert len(said) == 1
    assert "extra worker 1 ended early" in said[0]
    assert "no_such_program" in said[0]
