"""Measure studies whose runs share data and pretraining: cost of distinct stages, and speed of two workers."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .conftest import State
from .figures import Figure

BASE = {
    "data": "digits", "method": "mae", "backbone": "micro-vit", "augmentation": "crop", "baselines": "none", "seeds": [0],
    "protocols": ["knn"], "threads": 1, "train": {"epochs": 8, "batch_size": 64, "precision": "float32"},
}  # fmt: skip
MASKS, TEMPERATURES = [0.4, 0.75], [0.03, 0.05, 0.07, 0.1, 0.2]


def write_study(folder: Path, axes: Mapping[str, object]) -> Path:
    """Write a study with these axes to a file."""
    path = folder / "shared.yaml"
    path.write_text(yaml.safe_dump({"name": "shared", "summary": "shared stages", "base": BASE, "axes": axes}))
    return path


def timed(*program: str) -> float:
    """Run a command and return its seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sslbench", *program], check=True, capture_output=True)
    return time.perf_counter() - began


def stages(folder: Path) -> dict[str, float]:
    """Return the seconds of every stage in a folder, by kind and key."""
    found = folder.glob("stages/*/*/stage.json")
    return {"/".join(path.parts[-3:-1]): json.loads(path.read_text())["seconds"] for path in found}


def test_a_study_against_its_runs_one_by_one(benchmark, state: State, tmp_path):
    """Compare ten runs of two pretrainings as a study and one by one.

    Each run starts from cold; the aim is the cost of distinct stages.
    """
    study = write_study(tmp_path, {"method.mask": MASKS, "protocol_settings.knn.temperature": TEMPERATURES})
    out = str(tmp_path / "study")
    timed("study", "run", str(study), "--out", str(tmp_path / "warm"), "train.epochs=1")
    study_seconds = benchmark.pedantic(
        timed, args=("study", "run", str(study), "--out", out, "executor.workers=1"), rounds=1
    )
    single_seconds, single_stages = 0.0, []
    for number, (mask, temperature) in enumerate((m, t) for m in MASKS for t in TEMPERATURES):
        folder = tmp_path / f"alone{number}"
        settings: dict[str, Any] = {**BASE, "method": {"name": "mae", "mask": mask}}
        settings["protocol_settings"] = {"knn": {"temperature": temperature}}
        request = tmp_path / f"alone{number}.yaml"
        request.write_text(yaml.safe_dump(settings))
        single_seconds += timed("run", "--config", str(request), "--out", str(folder))
        single_stages.append(stages(folder))
    own = stages(tmp_path / "study")
    repeated = sum(sum(one.values()) for one in single_stages)
    distinct = sum({key: seconds for one in single_stages for key, seconds in one.items()}.values())
    what = "10 runs that share data and pretraining, as a study"
    count = sum(map(len, single_stages))
    singly = f"one by one {repeated:.0f} s in {count}, each run in a cold process"
    note = f"{sum(own.values()):.0f} s in {len(own)} stages; {singly}"
    state(Figure(what=what, against="time of their distinct stages, one by one", found=sum(own.values()) / distinct,
                 better="less", aim=1.15, note=note))  # fmt: skip
    note = f"{single_seconds:.0f} and {study_seconds:.0f} s with every start of a program"
    gain = single_seconds / study_seconds
    state(Figure(what=what, against="the runs one by one from cold", found=gain, unit="x", note=note))


def test_a_study_with_two_workers_against_one(benchmark, state: State, tmp_path):
    """Compare workers on 24 runs of eight pretrainings on one thread each. Aim: 1.6 times as fast."""
    axes = {
        "method.mask": [0.4, 0.5, 0.6, 0.75],
        "train.lr": [1e-3, 2e-3],
        "protocol_settings.knn.temperature": [0.05, 0.07, 0.1],
    }
    study = str(write_study(tmp_path, axes))
    timed("study", "run", study, "--out", str(tmp_path / "warm"), "train.epochs=1")
    one = timed("study", "run", study, "--out", str(tmp_path / "one"), "executor.workers=1")
    program = ("study", "run", study, "--out", str(tmp_path / "two"), "executor.workers=2")
    two = benchmark.pedantic(timed, args=program, rounds=1)
    what = "24 runs that share 8 pretrainings, two workers of one thread"
    state(Figure(what=what, against="one worker of one thread", found=one / two, aim=1.6, unit="x"))
    state(Figure(what="throughput of a study in its workers, 1 to 2", against="exponent", found=math.log2(one / two)))
