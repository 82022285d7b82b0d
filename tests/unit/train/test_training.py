"""Test the training loop: exact resume after SIGKILL, divergence, snapshots, compilation and weight averages."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sslbench
from sslbench.analysis.tables.run_tables import make_rows
from sslbench.catalog.metrics import core_metrics
from sslbench.results.record import VARYING_FIELDS
from sslbench.train import loop
from tests.conftest import TINY

SMALL_CNN = {
    "recipe": "quick", "augmentation.name": "digits", "backbone.widths": [8, 8, 16, 16], "train.epochs": 2, "train.batch_size": 128,
    "train.precision": "float32", "seeds": [0], "baselines": "none", "protocols": ["knn"], "threads": 1,
}  # fmt: skip


@pytest.mark.slow
def test_compiled_encoders_have_the_same_losses(tmp_path):
    """Kernels from torch.compile differ only by rounding."""
    if shutil.which("g++") is None and not torch.cuda.is_available():
        pytest.skip("needs a C++ compiler, which torch.compile uses on CPUs")
    settings = {**SMALL_CNN, "train.compile": True}
    plain, compiled = (
        sslbench.run("simclr", "digits", out=tmp_path, settings=s).records[0] for s in (SMALL_CNN, settings)
    )
    assert compiled.status == "done", compiled.reason
    losses = [[epoch["loss"] for epoch in record.training[0]["history"]] for record in (plain, compiled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0] != losses[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_compiled_bfloat16_measures_the_same_on_a_gpu(tmp_path):
    """Scores are equal within seed noise: the difference is inside the interval over three seeds."""
    settings = {**SMALL_CNN, "train.precision": "bfloat16", "train.epochs": 10, "seeds": [0, 1, 2]}
    values = []
    for compiled in (False, True):
        record = sslbench.run(
            "simclr", "digits", out=tmp_path, settings={**settings, "train.compile": compiled}
        ).records[0]
        values.append(make_rows([record], core_metrics())[0].cells["knn", "micro_accuracy"])
    assert abs(values[0].mean - values[1].mean) <= max(value.ci95_half_width or 0 for value in values) + 0.02


def comparable(record: Path) -> dict:
    content = json.loads(record.read_text())
    return {name: value for name, value in content.items() if name not in VARYING_FIELDS}


RUN = [
    "run", "--method", "mae", "--dataset", "digits", "--baselines", "none", "--seeds", "0", "--protocols",
    "knn,finetune", "train.epochs=6", "train.batch_size=64", "protocol_settings.finetune.epochs=2",
    "protocol_settings.finetune.min_steps=0", "train.checkpoint_seconds=0",
    "backbone.width=16", "backbone.heads=2", "backbone.depth=1", "threads=1", "train.ema_decay=0.9",
]  # fmt: skip


def start(out: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-c", "from sslbench.cli import main; main()", *RUN, "--out", str(out), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ))


def finish(out: Path) -> Path:
    process = start(out)
    text = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 0, text
    return next(out.glob("*/record.json"))


@pytest.mark.slow
def test_a_run_killed_at_any_time_and_repeated_has_the_same_record(tmp_path):
    """Each run is killed when its training has saved a checkpoint, and a second time after a part of its usual time."""
    started = time.monotonic()
    process = start(tmp_path / "whole")
    wait_for_checkpoint(process, tmp_path / "whole")
    startup = time.monotonic() - started
    text = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 0, text
    rest = time.monotonic() - started - startup
    uninterrupted = comparable(next((tmp_path / "whole").glob("*/record.json")))
    kills = []
    for number, part in enumerate((0.0, 0.3, 0.6, 0.8)):
        out = tmp_path / f"killed{number}"
        process = start(out)
        wait_for_checkpoint(process, out)
        kills.append(kill_unfinished(process, out))
        process = start(out)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=startup + part * rest)
        kills.append(kill_unfinished(process, out))
        assert comparable(finish(out)) == uninterrupted
    assert kills.count(True) >= 6, kills


def wait_for_checkpoint(process: subprocess.Popen, out: Path) -> None:
    """Wait until a training has saved its state, or until the process has ended."""
    while process.poll() is None and not any(out.glob("stages/pretrain/.*.part-*/training.checkpoint")):
        time.sleep(0.02)


def kill_unfinished(process: subprocess.Popen, out: Path) -> bool:
    """Kill a run, and return whether it was alive and without a record."""
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL and not any(out.glob("*/record.json"))


def test_training_continues_exactly_from_a_checkpoint_within_an_epoch(tmp_path, monkeypatch):
    """The training stops after a step of the third epoch, like a killed one, and the next attempt continues from there."""
    settings = {**TINY, "train.epochs": 4, "train.checkpoint_seconds": 0, "baselines": "none", "protocols": ["knn"]}
    whole = sslbench.run("mae", "digits", out=tmp_path / "whole", settings=settings)
    original, steps = loop._Loop._report, []

    def stopping(self, total, passes):
        original(self, total, passes)
        steps.append(total)
        if len(steps) == 42:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop._Loop, "_report", stopping)
    with pytest.raises(KeyboardInterrupt):
        sslbench.run("mae", "digits", out=tmp_path / "cut", settings=settings)
    again = sslbench.run("mae", "digits", out=tmp_path / "cut", settings=settings)
    assert 0 < len(steps) - 42 < 76 - 36  # it continued and did not restart
    assert again.records[0].scores == whole.records[0].scores
    assert again.records[0].training == whole.records[0].training


def test_a_loss_that_is_not_finite_stops_the_run_with_its_step(tmp_path):
    settings = {**TINY, "train.lr": 1e30, "train.optimizer": "sgd", "train.warmup_epochs": 0.0, "train.epochs": 5,
                "baselines": "none", "protocols": ["knn"]}  # fmt: skip
    record = sslbench.run("mae", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "diverged"
    assert "at step" in record.reason
    assert record.scores == ()
    assert json.loads(next(tmp_path.glob("*/record.json")).read_text())["status"] == "diverged"


def test_snapshots_are_evaluated_and_change_no_weight(tmp_path):
    base = {**TINY, "train.epochs": 3, "baselines": "none", "protocols": ["knn"]}
    plain = sslbench.run("mae", "digits", out=tmp_path / "plain", settings=base).records[0]
    with_snapshots = sslbench.run(
        "mae", "digits", out=tmp_path / "snap", settings={**base, "train.eval_epochs": [1, 2]}
    ).records[0]
    weights = [next((tmp_path / name).glob("mae*/encoder-*.safetensors")).read_bytes() for name in ("plain", "snap")]
    assert weights[0] == weights[1]
    assert {s.epoch for s in with_snapshots.scores} == {1, 2, None}
    assert [s for s in with_snapshots.scores if s.epoch is None] == list(plain.scores)


def test_accumulation_of_a_mean_loss_equals_the_larger_batch(tmp_path):
    base = {**TINY, "train.precision": "float32", "train.batch_size": 128, "baselines": "none", "protocols": ["knn"]}
    one = sslbench.run("mae", "digits", out=tmp_path, settings=base).records[0]
    two = sslbench.run("mae", "digits", out=tmp_path, settings={**base, "train.grad_accumulation": 4}).records[0]
    losses = [[epoch["loss"] for epoch in record.training[0]["history"]] for record in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_the_average_of_the_weights_is_saved(tmp_path, monkeypatch):
    """The saved weights are the moving average over the weights after each step, and the training itself is unchanged."""
    base = {**TINY, "train.precision": "float32", "baselines": "none", "protocols": ["knn"]}
    plain = sslbench.run("mae", "digits", out=tmp_path, settings=base).records[0]
    report, weights = loop._Loop._report, []

    def observed(self, total, passes):
        report(self, total, passes)
        if str(self.training.checkpoint).startswith(str(tmp_path)):  # and not a step that is timed for an estimate
            weights.append({name: value.double() for name, value in self.training.objective.state_dict().items()})

    monkeypatch.setattr(loop._Loop, "_report", observed)
    averaged = sslbench.run("mae", "digits", out=tmp_path, settings={**base, "train.ema_decay": 0.9}).records[0]
    assert plain.training[0]["history"] == averaged.training[0]["history"]
    assert len(weights) == 2 * 19
    expected = weights[0]
    for step in weights[1:]:
        expected = {name: 0.9 * value + 0.1 * step[name] for name, value in expected.items()}
    kept = load_file(next((tmp_path / averaged.run).glob("encoder-*.safetensors")))
    assert set(kept) == set(expected)
    for name, value in kept.items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-6, msg=name)
    assert any(not torch.allclose(value.double(), weights[-1][name], rtol=1e-3) for name, value in kept.items())
