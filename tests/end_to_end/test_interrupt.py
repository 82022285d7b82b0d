"""Ctrl-C: a training saves a checkpoint, prints what is kept and how to go on, and resumes at that step."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

import sslbench
from sslbench.convert import to_plain
from sslbench.train import interrupt, loop
from tests.conftest import TINY

EPOCHS, STEPS, STOPPED = 4, 19, 30
PROGRAM = f"""
import os, signal, sys, time
from sslbench.train import loop

report, steps = loop._Loop._report, []

def interrupted(self, total, passes):
    report(self, total, passes)
    if str(self.training.checkpoint).startswith(sys.argv[-1]):  # and not a step that is timed for an estimate
        steps.append(total)
    if len(steps) == {STOPPED}:
        print("signal at", time.time(), flush=True)
        os.kill(os.getpid(), signal.SIGINT)

loop._Loop._report = interrupted
from sslbench.cli import main
main()
"""
SETTINGS = {
    **TINY,
    "train.epochs": EPOCHS,
    "train.checkpoint_seconds": 10000,
    "threads": 1,
    "baselines": "none",
    "protocols": ["knn"],
}
ARGUMENTS = ["run", "--method", "mae", "--dataset", "digits", *(f"{k}={json.dumps(v)}" for k, v in SETTINGS.items())]


def comparable(record):
    return [
        to_plain(getattr(record, name))
        for name in ("run", "scores", "classes", "training", "request", "keys", "settings")
    ]


def test_a_signal_leaves_a_checkpoint_and_the_same_request_goes_on(tmp_path, monkeypatch):
    out = tmp_path / "runs"
    program = [sys.executable, "-c", PROGRAM, *ARGUMENTS, "--out", str(out)]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    seconds = time.time() - float(ended.stdout.partition("signal at ")[2].split()[0])
    assert ended.returncode == 130, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert "a checkpoint of 'mae" in ended.stdout
    assert "to continue, repeat the command: sslbench run --method mae" in ended.stdout
    assert seconds < 10, "three seconds, on a machine that is idle"
    checkpoint = next(out.glob("stages/pretrain/.*.part-*/training.checkpoint"))
    progress = torch.load(checkpoint, weights_only=True)["progress"]
    assert progress["epoch"] * STEPS + progress["step"] == STOPPED
    report, steps = loop._Loop._report, []
    monkeypatch.setattr(loop._Loop, "_report", lambda *told: steps.append(1) or report(*told))
    again = sslbench.run("mae", "digits", out=out, settings=SETTINGS).records[0]
    assert len(steps) == EPOCHS * STEPS - STOPPED
    whole = sslbench.run("mae", "digits", out=tmp_path / "whole", settings=SETTINGS).records[0]
    assert comparable(again) == comparable(whole)


def wait_in_training(signals):
    with interrupt.handle_signals(), interrupt.finish_step_first():
        for number in signals:
            os.kill(os.getpid(), number)
            assert interrupt.is_requested()
        time.sleep(20)


def wait_elsewhere(number):
    with interrupt.handle_signals():
        os.kill(os.getpid(), number)
        time.sleep(20)


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT, signal.SIGTERM]])
def test_a_step_that_does_not_end_is_left_after_a_while(monkeypatch, signals):
    monkeypatch.setattr(interrupt, "GRACE_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(interrupt.Interrupted) as raised:
        wait_in_training(signals)
    assert raised.value.code == 130
    assert 0.3 <= time.monotonic() - began < 10
    assert not interrupt.is_requested()


def test_what_is_saved_after_a_step_may_take_longer_than_the_step(monkeypatch):
    monkeypatch.setattr(interrupt, "GRACE_SECONDS", 0.2)
    with interrupt.handle_signals(), interrupt.finish_step_first():
        signal.raise_signal(signal.SIGINT)
        assert interrupt.is_requested()
        interrupt.stop_timer()
        time.sleep(0.4)  # a checkpoint is written


def test_the_same_signal_twice_does_not_wait(monkeypatch):
    monkeypatch.setattr(interrupt, "GRACE_SECONDS", 30)
    with pytest.raises(interrupt.Interrupted):
        wait_in_training([signal.SIGINT, signal.SIGINT])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_outside_a_training_a_signal_does_not_wait(number, code):
    before = signal.getsignal(number)
    with pytest.raises(interrupt.Interrupted) as raised:
        wait_elsewhere(number)
    assert raised.value.code == code
    assert signal.getsignal(number) is before
