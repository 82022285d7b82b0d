"""The local executor, studies that run at the same time, and executors that are not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sslbench.testing.executor_trial import ExecutorTrial
from tests.end_to_end.test_study import STUDY, records

SMALL = {**STUDY, "tables": [], "figures": []}


def test_an_executor_that_is_not_installed_is_one_line_with_the_installed_ones(tmp_path):
    answer = ExecutorTrial(tmp_path).run("abacus")
    assert answer.code == 2
    assert answer.text.startswith("error: executor: executor 'abacus' is not installed. Available: ")
    assert "local" in answer.text
    assert answer.text.count("\n") == 1
    assert not list(answer.out.glob("stages/*"))


@pytest.mark.slow
def test_a_killed_worker_is_replaced(tmp_path):
    trial = ExecutorTrial(tmp_path)
    expected = trial.run("local", "executor.workers=1")
    assert expected.code == 0, expected.text

    def disturb(out: Path) -> None:
        found = subprocess.run(
            ["pgrep", "-f", f"sslbench.app.worker {out}"], capture_output=True, text=True, check=True
        )
        subprocess.run(["kill", "-9", found.stdout.split()[0]], check=True)

    outcome = trial.run("local", "executor.workers=2", disturb=disturb)
    assert outcome.code == 0, outcome.text
    assert "ended with exit code -9 and is restarted" in outcome.text
    assert len(outcome.records) == 4
    assert outcome.records == expected.records


@pytest.mark.slow
def test_two_studies_at_once_share_every_stage(cli, tmp_path):
    """Two `study run` on one study: nothing is made twice, and the records are those of one."""
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(SMALL, sort_keys=False))
    answer = cli("study", "run", str(path), "--out", str(tmp_path / "alone"), "executor.workers=2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    out = tmp_path / "runs"
    program = [sys.executable, "-m", "sslbench", "study", "run", str(path), "--out", str(out), "executor.workers=1"]
    both = [subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    texts = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    assert records(out) == records(tmp_path / "alone")
    logs = [log.read_text() for log in (out / "studies/votes/workers").glob("*.log")]
    assert logs  # both studies append to the log of their worker of the same number
    assert "made twice" not in "".join(logs)
    times = [json.loads(path.read_text())["seconds"] for path in out.glob("stages/*/*/stage.json")]
    assert len(times) == 20
