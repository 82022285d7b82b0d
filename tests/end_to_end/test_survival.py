"""Studies in which a run fails, or which are killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

from tests.end_to_end.test_study import BASE, STUDY, records, write


@pytest.mark.slow
def test_a_failed_run_is_reported_the_rest_goes_on_and_it_can_be_retried(cli, tmp_path):
    """A bottleneck that is larger than any memory fails when the head is built."""
    content = {**STUDY, "tables": [], "figures": [], "base": {**BASE, "seeds": [0], "protocols": ["knn", "finetune"]},
               "axes": {"head": {"good": {"protocol_settings.finetune": {"epochs": 1, "min_steps": 0}}, "bad": {"protocol_settings.finetune.bottleneck": 10**14, "protocol_settings.finetune.head": "bottleneck"}}}}  # fmt: skip
    path, out = write(tmp_path, content), str(tmp_path / "runs")
    answer = cli("study", "run", str(path), "--out", out)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "failed" in answer.stdout
    status = {r["status"] for r in records(tmp_path / "runs").values()}
    assert status == {"done", "failed"}
    traces = list((tmp_path / "runs").glob("*/traceback.txt"))
    assert len(traces) == 1
    assert "Traceback" in traces[0].read_text()
    answer = cli("study", "status", str(path), "--out", out)
    assert "1 done, 0 running, 0 waiting, 1 failed, 0 stale of 2 runs" in answer.stdout
    assert "finetune on digits" in answer.stdout
    before = traces[0].stat().st_mtime_ns
    assert cli("study", "run", str(path), "--out", out).returncode == 1
    assert traces[0].stat().st_mtime_ns == before
    assert cli("study", "run", str(path), "--out", out, "--retry-failed").returncode == 1
    assert traces[0].stat().st_mtime_ns > before


@pytest.mark.slow
def test_killed_at_random_moments_a_study_ends_with_the_same_records(tmp_path):
    """At least 20 kills that ended a process: of the parent, of the whole group, and of one worker."""
    path = write(tmp_path, {**STUDY, "tables": [], "figures": []})
    program = [sys.executable, "-m", "sslbench", "study", "run", str(path), "executor.workers=2", "--out"]
    whole = tmp_path / "whole"
    subprocess.run([*program, str(whole)], check=True, capture_output=True)
    expected, rng = records(whole), np.random.default_rng(0)
    kills: Counter[str] = Counter()
    rounds = 0
    while kills.total() < 20:
        rounds += 1
        assert rounds < 60, kills
        out, log = tmp_path / f"killed-{rounds}", tmp_path / f"killed-{rounds}.log"
        while True:
            with log.open("ab") as file:
                process = subprocess.Popen([*program, str(out)], start_new_session=True, stdout=file, stderr=file)
            try:
                process.wait(timeout=float(rng.uniform(3, 14)))
                break
            except subprocess.TimeoutExpired:
                target = str(rng.choice(["parent", "group", "worker"]))
                if target == "worker":
                    found = subprocess.run(
                        ["pgrep", "-f", f"sslbench.app.worker {out}"], capture_output=True, text=True, check=False
                    ).stdout.split()
                    if found:
                        os.kill(int(rng.choice(found)), signal.SIGKILL)
                    assert process.wait(timeout=300) == 0
                    kills[target] += "ended with code -9; it is started again" in log.read_text()
                    break
                (os.killpg if target == "group" else os.kill)(process.pid, signal.SIGKILL)
                kills[target] += process.wait() == -signal.SIGKILL
                time.sleep(0.5)
        assert records(out) == expected
        tables = [json.dumps(r["scores"], sort_keys=True) for r in (records(out)[name] for name in sorted(expected))]
        assert tables == [json.dumps(expected[name]["scores"], sort_keys=True) for name in sorted(expected)]
    assert set(kills) == {"parent", "group", "worker"}, kills
    assert min(kills.values()) > 0, kills
