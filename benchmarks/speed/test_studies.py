"""A study of 24 runs that share pretraining: its stages are made once each, and two workers are faster than one."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

from .conftest import State
from .figures import Figure

STUDY = {
    "name": "shared",
    "summary": "eight pretrainings, each measured in three ways",
    "base": {
        "data": "digits", "method": "mae", "backbone": "micro-vit", "augmentation": "crop", "baselines": "none", "seeds": [0],
        "measure": ["knn"], "threads": 1, "train": {"epochs": 8, "batch": 64, "precision": "float32"},
    },
    "axes": {
        "method.mask": [0.4, 0.5, 0.6, 0.75],
        "train.rate": [1e-3, 2e-3],
        "protocols.knn.temperature": [0.05, 0.07, 0.1],
    },
}  # fmt: skip


def timed(study: Path, out: Path, workers: int) -> float:
    program = [sys.executable, "-m", "sslbench", "study", "run", str(study), "--out", str(out)]
    began = time.perf_counter()
    subprocess.run([*program, f"executor.workers={workers}"], check=True, capture_output=True)
    return time.perf_counter() - began


def test_a_study_with_two_workers_against_one(benchmark, state: State, tmp_path):
    """Aim: 1.6 times as fast with two workers of one thread each; as many stages as are distinct."""
    study = tmp_path / "shared.yaml"
    study.write_text(yaml.safe_dump(STUDY))
    program = [sys.executable, "-m", "sslbench", "study", "run", str(study), "--plan", "--out", str(tmp_path / "one")]
    plan = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+) distinct stages \((\d+) asked for\)", plan)
    assert found is not None, plan
    one = timed(study, tmp_path / "one", 1)
    two = benchmark.pedantic(timed, args=(study, tmp_path / "two", 2), rounds=1)
    prepared = 1  # lies with the data, not with the study
    made = prepared + len(list((tmp_path / "two/stages").glob("*/*/stage.json")))
    what, note = "24 runs that share data and pretraining", f"stages made for {found[2]} asked for"
    state(
        Figure(
            what=what,
            against="their distinct stages",
            found=made / int(found[1]),
            better="less",
            aim=1,
            note=f"{made} {note}",
        )
    )
    state(Figure(what=f"{what}, two workers", against="one worker", found=one / two, aim=1.6, unit="x"))
