"""The Slurm executor: what is submitted, what is submitted again, and studies with the same records as `local`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_slurm import install
from sslbench_slurm import executor
from sslbench_slurm.spec import SlurmConfig

from sslbench.api import SslbenchError, WorkerPool
from sslbench.testing import conformance
from sslbench.testing.executor_trial import ExecutorTrial, StudyOutcome

CLUSTER = Path(__file__).parent / "cluster.sh"

test_conformance = conformance("sslbench-slurm")


@pytest.fixture(scope="module")
def trial(tmp_path_factory) -> ExecutorTrial:
    return ExecutorTrial(tmp_path_factory.mktemp("trial"))


@pytest.fixture(scope="module")
def locally(trial) -> StudyOutcome:
    """The study as the local executor runs it."""
    outcome = trial.run("local", "executor.workers=2")
    assert outcome.code == 0, outcome.text
    return outcome


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Path:
    """Slurm's commands, first on the PATH."""
    monkeypatch.setenv("PATH", install(tmp_path / "commands"))
    monkeypatch.setattr(executor, "QUEUE_SECONDS", 0.2)
    monkeypatch.setattr(executor, "TICK_SECONDS", 0.1)
    return tmp_path / "commands"


def crew_of(program: str, folder: Path) -> WorkerPool:
    """Workers that run a Python program with their number."""
    python = (sys.executable, "-P")
    return WorkerPool(
        command=(*python, "-c", program, str(folder)), threads=3, folder=folder, variables={"TOLD": "3"}, python=python
    )


WRITE = "import os, sys; open(f'{sys.argv[1]}/done-{sys.argv[2]}', 'w').write(os.environ['TOLD'])"
"""Writes a variable that a worker was given into a file with the worker's number in its name."""


def test_a_job_array_runs_every_worker_with_its_variables(fake, tmp_path):
    crew, messages = crew_of(WRITE, tmp_path), []
    files = [tmp_path / f"done-{number}" for number in range(3)]
    end = time.monotonic() + 120

    def tick() -> bool:
        return not all(file.exists() and file.read_text() for file in files) and time.monotonic() < end

    executor.Slurm(SlurmConfig(workers=3)).run(crew, tick, messages.append)
    assert [file.read_text() for file in files] == ["3", "3", "3"]
    assert messages[0] == f"slurm: 3 jobs submitted, 1_0, 1_1, 1_2; logs in {tmp_path}"


def test_settings_become_options_of_sbatch(fake, tmp_path):
    config = SlurmConfig(workers=2, partition="gpu", minutes=7, gpus=1, memory_gb=2.5, options={"account": "ocean"})
    executor.Slurm(config).run(crew_of(WRITE, tmp_path), lambda: False, [].append)
    script = next((tmp_path / "slurm").glob("*submission*.sh"))
    options = {
        line.removeprefix("#SBATCH --") for line in script.read_text().splitlines() if line.startswith("#SBATCH")
    }
    expected = {
        "partition=gpu",
        "time=7",
        "gpus-per-node=1",
        "mem=2.5GB",
        "account=ocean",
        "cpus-per-task=3",
        "array=0-1%2",
    }
    assert expected <= options, options


def test_a_worker_that_keeps_ending_is_an_error(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "MAX_SUBMISSIONS", 2)
    messages = []
    with pytest.raises(SslbenchError, match=r"--executor slurm: job 2 ended 2 times\. Read the logs in "):
        executor.Slurm(SlurmConfig(workers=1)).run(crew_of("", tmp_path), lambda: True, messages.append)
    assert messages[1:] == ["slurm: job 1 ended too early; it is submitted again"]


def test_what_is_left_is_canceled_at_the_end(fake, tmp_path):
    ticks = iter([True, True, False])
    executor.Slurm(SlurmConfig(workers=2)).run(
        crew_of("import time; time.sleep(600)", tmp_path), lambda: next(ticks), [].append
    )
    end = time.monotonic() + 30
    while (left := list((fake / "jobs").iterdir())) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left


def test_a_preempted_job_queues_its_own_worker(tmp_path):
    queued = executor.Worker().checkpoint(crew_of(WRITE, tmp_path).command, 5, {"TOLD": "8"})
    assert queued.result() == 0
    assert (tmp_path / "done-5").read_text() == "8"


def test_a_machine_without_slurm_is_one_line_before_anything_runs(trial, tmp_path):
    answer = trial.run("slurm", variables={"PATH": str(tmp_path)})
    assert answer.code == 2, answer.text
    assert answer.text == (
        "error: --executor slurm: srun, sbatch, squeue, scancel not found on this machine. "
        "Run the study on a machine from which jobs are submitted to the cluster\n"
    )
    assert not list(answer.out.glob("stages/*"))


def test_a_cluster_that_takes_no_job_is_one_line(trial, tmp_path):
    """Its commands exist, but no controller answers."""
    for name in ("srun", "sbatch", "squeue", "scancel"):
        (tmp_path / name).write_text("#!/bin/sh\necho nothing answers >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    answer = trial.run("slurm", variables={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    assert answer.code == 1, answer.text
    assert "error: --executor slurm: no job could be submitted: " in answer.text
    assert "nothing answers" in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.slow
def test_a_study_with_canceled_jobs_gives_the_records_of_local(trial, locally, tmp_path):
    """All jobs are canceled: a remaining one could end this short study before the executor looks at the queue."""
    path = install(tmp_path / "commands")

    def disturb(out: Path) -> None:
        for job in sorted((tmp_path / "commands/jobs").iterdir()):
            subprocess.run([tmp_path / "commands/scancel", job.name], check=True)

    outcome = trial.run("slurm", "executor.workers=2", disturb=disturb, variables={"PATH": path})
    assert outcome.code == 0, outcome.text
    assert "slurm: 2 jobs submitted" in outcome.text
    assert "it is submitted again" in outcome.text
    assert len(outcome.records) == 4
    assert outcome.records == locally.records


@pytest.fixture
def cluster(tmp_path) -> Iterator[Callable[..., str]]:
    """Commands of a real cluster of one machine."""
    absent = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name) is None]
    if absent:
        pytest.skip(f"needs Debian's slurmctld, slurmd and munge; absent: {', '.join(absent)}")
    if os.geteuid() != 0:
        pytest.skip("needs root to start slurmctld and slurmd")
    folder = tmp_path / "slurm"
    subprocess.run(["bash", str(CLUSTER), "start", str(folder)], check=True)

    def call(*words: str) -> str:
        environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout

    yield call
    subprocess.run(["bash", str(CLUSTER), "stop", str(folder)], check=True)


@pytest.mark.slow
def test_a_cluster_finishes_a_study_after_jobs_are_canceled_and_a_node_fails(cluster, trial, locally, tmp_path):
    def disturb(out: Path) -> None:
        jobs = cluster("squeue", "-h", "-t", "R", "-o", "%i").split()
        assert any("_" in job for job in jobs), jobs  # a job array
        cluster("scancel", *jobs)
        node = cluster("sinfo", "-h", "-o", "%N").strip()
        time.sleep(3)
        cluster("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        time.sleep(2)
        with contextlib.suppress(subprocess.CalledProcessError):  # it may have come back by itself
            cluster("scontrol", "update", f"nodename={node}", "state=resume")

    variables = {"SLURM_CONF": str(tmp_path / "slurm/slurm.conf")}
    outcome = trial.run("slurm", "executor.workers=2", disturb=disturb, variables=variables)
    assert outcome.code == 0, outcome.text
    assert "slurm: 2 jobs submitted" in outcome.text
    assert "it is submitted again" in outcome.text
    assert outcome.records == locally.records


@pytest.mark.slow
def test_a_preempted_job_of_a_cluster_continues(cluster, trial, locally, tmp_path):
    """Slurm sends this signal before a preemption or a time limit; the same job then ends the study."""

    def disturb(out: Path) -> None:
        job = cluster("squeue", "-h", "-t", "R", "-o", "%i").split()[0]
        cluster("scancel", "--signal", "USR2", job)
        end = time.monotonic() + 60
        while "Restarts=1" not in cluster("scontrol", "show", "job", job) and time.monotonic() < end:
            time.sleep(0.5)
        cluster("scontrol", "update", f"jobid={job}", "StartTime=now")  # a job that was queued again waits two minutes

    variables = {"SLURM_CONF": str(tmp_path / "slurm/slurm.conf")}
    outcome = trial.run("slurm", "executor.workers=1", disturb=disturb, variables=variables)
    assert outcome.code == 0, outcome.text
    assert "slurm: 1 jobs submitted" in outcome.text
    assert "submitted again" not in outcome.text
    logs = "".join(log.read_text() for log in (outcome.out / "studies").rglob("*_log.err"))
    assert "this job is preempted" in logs
    assert outcome.records == locally.records
