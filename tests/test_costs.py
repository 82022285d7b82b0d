"""What stages cost: the time that is left, and the memory of each alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sslbench import environment
from sslbench.stages.graph import Stage
from sslbench.stages.stage import DONE
from sslbench.study.status import Costs


def test_time_left_is_told_by_rows_of_the_same_shape_then_kind(tmp_path):
    def stage(name: str, kind: str, shape: str, rows: int, seconds: float | None = None) -> Stage:
        made = Stage(
            kind=kind, key=name, folder=tmp_path / name, title=name, needs=(), make=print, shape=shape, rows=rows
        )
        if seconds is not None:
            made.folder.mkdir()
            (made.folder / DONE).write_text(json.dumps({"seconds": seconds}))
        return made

    costs = Costs()
    assert costs.of([]) == 0
    assert costs.of([stage("a", "pretrain", "narrow", 10)]) is None
    assert costs.learn(stage("b", "pretrain", "narrow", 100, 10.0)) == 10
    assert costs.learn(stage("c", "pretrain", "wide", 100, 30.0)) == 30
    assert costs.of([stage("d", "pretrain", "narrow", 50), stage("e", "pretrain", "wide", 10)]) == pytest.approx(5 + 3)
    assert costs.of([stage("f", "pretrain", "new", 100)]) == pytest.approx(20)
    assert costs.of([stage("g", "pretrain", "narrow", 50), stage("h", "extract", "narrow-features", 50)]) is None


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="this system keeps one peak for a process's whole life"
)
def test_a_peak_can_be_forgotten():
    environment.forget_peak_memory()
    before = environment.peak_memory()
    held = np.ones(300 * 2**20, np.uint8)
    assert environment.peak_memory() > before + 250 * 2**20
    del held
    environment.forget_peak_memory()
    assert environment.peak_memory() < before + 100 * 2**20
