"""The Ray executor: workers as tasks of a local cluster, and a study with the same records as `local`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from sslbench_ray.executor import RayExecutor
from sslbench_ray.spec import RayConfig

from sslbench.api import SslbenchError, WorkerPool
from sslbench.testing import conformance
from sslbench.testing.executor_trial import ExecutorTrial

WRITE = "import os, sys; print('started'); open(f'{sys.argv[1]}/done-{sys.argv[2]}', 'w').write(os.environ['TOLD'])"
"""Writes a variable that a worker was given into a file with the worker's number in its name."""

test_conformance = conformance("sslbench-ray")


def crew_of(program: str, folder: Path) -> WorkerPool:
    """Workers that run a Python program with their number."""
    python = (sys.executable, "-P")
    return WorkerPool(
        command=(*python, "-c", program, str(folder)), threads=1, folder=folder, variables={"TOLD": "3"}, python=python
    )


@pytest.mark.slow
def test_every_worker_runs_with_its_variables_and_logs(tmp_path):
    files, messages = [tmp_path / f"done-{number}" for number in range(2)], []
    end = time.monotonic() + 120

    def tick() -> bool:
        return not all(file.exists() and file.read_text() for file in files) and time.monotonic() < end

    RayExecutor(RayConfig(workers=2, retries=1000)).run(crew_of(WRITE, tmp_path), tick, messages.append)
    assert [file.read_text() for file in files] == ["3", "3"]
    assert messages[0] == "ray: 2 tasks on a local cluster"
    assert (tmp_path / "worker-1.log").read_text().startswith("started")


@pytest.mark.slow
def test_a_worker_that_keeps_ending_is_an_error(tmp_path):
    messages = []
    with pytest.raises(
        SslbenchError, match=r"--executor ray: worker 0 ended 2 times, at last with code 3\. Read .*worker-0"
    ):
        RayExecutor(RayConfig(workers=1, retries=1)).run(crew_of("exit(3)", tmp_path), lambda: True, messages.append)
    assert messages[1:] == ["ray: worker 0 ended with code 3; it is started again"]


@pytest.mark.slow
def test_a_study_with_killed_workers_gives_the_records_of_local(tmp_path):
    """All workers are killed: a remaining one could end this short study before Ray reports the loss."""
    trial = ExecutorTrial(tmp_path)
    locally = trial.run("local", "executor.workers=2")
    assert locally.code == 0, locally.text

    def disturb(out: Path) -> None:
        found = subprocess.run(
            ["pgrep", "-f", f"sslbench.app.worker {out}"], capture_output=True, text=True, check=True
        )
        subprocess.run(["kill", "-9", *found.stdout.split()], check=True)

    outcome = trial.run("ray", "executor.workers=2", disturb=disturb)
    assert outcome.code == 0, outcome.text
    assert "ray: 2 tasks on a local cluster" in outcome.text
    assert "it is started again" in outcome.text
    assert len(outcome.records) == 4
    assert outcome.records == locally.records
