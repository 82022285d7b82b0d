"""What a study survives: a run that fails, and being killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from .test_study import BASE, STUDY, records, write


def test_a_failed_run_is_told_the_rest_goes_on_and_it_can_be_tried_again(cli, tmp_path):
    """A rate that overflows diverges; a bottleneck that no memory holds fails in building the head."""
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
    """At least 20 kills: of the parent, of one worker, and of the whole group."""
    path = write(tmp_path, {**STUDY, "tables": [], "figures": []})
    program = [sys.executable, "-m", "sslbench", "study", "run", str(path), "executor.workers=2", "--out"]
    whole = tmp_path / "whole"
    subprocess.run([*program, str(whole)], check=True, capture_output=True)
    expected, rng = records(whole), np.random.default_rng(0)
    kills, rounds = 0, 0
    while kills < 20:
        rounds += 1
        out = tmp_path / f"killed-{rounds}"
        while True:
            process = subprocess.Popen(
                [*program, str(out)], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(timeout=float(rng.uniform(3, 14)))
                break
            except subprocess.TimeoutExpired:
                victim = rng.integers(3)
                kills += 1
                if victim == 0:
                    os.kill(process.pid, signal.SIGKILL)
                elif victim == 1:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    children = subprocess.run(
                        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False
                    ).stdout.split()
                    if children:
                        os.kill(int(rng.choice(children)), signal.SIGKILL)
                        continue_after = process.wait(timeout=300)
                        assert continue_after == 0
                        break
                process.wait()
                time.sleep(0.5)
        assert records(out) == expected
        tables = [json.dumps(r["scores"], sort_keys=True) for r in (records(out)[name] for name in sorted(expected))]
        assert tables == [json.dumps(expected[name]["scores"], sort_keys=True) for name in sorted(expected)]
