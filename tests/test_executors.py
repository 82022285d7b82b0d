"""Studies on real engines: the same records as `local`, whatever is canceled, killed or set down on the way."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from .test_study import STUDY, records, write

SLURM = Path(__file__).parent / "slurm/cluster.sh"
SMALL = {**STUDY, "tables": [], "figures": []}


@pytest.fixture(scope="module")
def locally(cli, tmp_path_factory) -> tuple[Path, dict[str, dict]]:
    """The study, and its records as the local executor makes them."""
    folder = tmp_path_factory.mktemp("local")
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(SMALL, sort_keys=False))
    answer = cli("study", "run", str(path), "--out", str(folder / "runs"), "executor.workers=2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return path, records(folder / "runs")


def run_and_disturb(path: Path, out: Path, disturb: Callable[[], None], *arguments: str, **variables: str) -> str:
    """Start a study, disturb it once its first pretraining is done, and wait for its end."""
    program = [sys.executable, "-m", "sslbench", "study", "run", str(path), "--out", str(out), *arguments]
    log = out.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen(program, stdout=file, stderr=file, env={**os.environ, **variables})
        end = time.monotonic() + 300
        while not list(out.glob("stages/pretrain/*/stage.json")) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        disturb()
        process.wait(timeout=600)
    assert process.returncode == 0, log.read_text()
    return log.read_text()


@pytest.fixture
def slurm(tmp_path):
    """A real cluster of one machine."""
    missing = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs Debian's slurmctld, slurmd and munge; absent: {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("needs root to start slurmctld and slurmd")
    folder = tmp_path / "slurm"
    subprocess.run(["bash", str(SLURM), "start", str(folder)], check=True)
    yield folder / "slurm.conf"
    subprocess.run(["bash", str(SLURM), "stop", str(folder)], check=True)


def caller(conf: Path) -> Callable[..., str]:
    """A cluster's commands."""
    environment = {**os.environ, "SLURM_CONF": str(conf)}

    def call(*words: str) -> str:
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout

    return call


@pytest.mark.slow
def test_slurm_runs_a_study_as_a_job_array_whatever_happens_to_its_jobs(slurm, locally, tmp_path):
    path, expected = locally
    call = caller(slurm)

    def disturb() -> None:
        jobs = call("squeue", "-h", "-t", "R", "-o", "%i").split()
        assert any("_" in job for job in jobs), jobs  # a job array
        call("scancel", jobs[0])
        node = call("sinfo", "-h", "-o", "%N").strip()
        time.sleep(3)
        call("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        time.sleep(2)
        with contextlib.suppress(subprocess.CalledProcessError):  # it may have come back by itself
            call("scontrol", "update", f"nodename={node}", "state=resume")

    text = run_and_disturb(
        path, tmp_path / "runs", disturb, "--executor", "slurm", "executor.workers=2", SLURM_CONF=str(slurm)
    )
    assert "slurm: 2 jobs sent" in text
    assert "it is sent again" in text
    assert records(tmp_path / "runs") == expected


@pytest.mark.slow
def test_a_preempted_job_queues_itself_again_and_goes_on(slurm, locally, tmp_path):
    """What Slurm sends before a preemption or a time limit; the same job ends the study that nobody else works on."""
    path, expected = locally
    call = caller(slurm)

    def disturb() -> None:
        job = call("squeue", "-h", "-t", "R", "-o", "%i").split()[0]
        call("scancel", "--signal", "USR2", job)
        end = time.monotonic() + 60
        while "Restarts=1" not in call("scontrol", "show", "job", job) and time.monotonic() < end:
            time.sleep(0.5)
        call("scontrol", "update", f"jobid={job}", "StartTime=now")  # a job that was queued again waits two minutes

    text = run_and_disturb(
        path, tmp_path / "runs", disturb, "--executor", "slurm", "executor.workers=1", SLURM_CONF=str(slurm)
    )
    assert "slurm: 1 jobs sent" in text
    assert "sent again" not in text
    logs = "".join(log.read_text() for log in (tmp_path / "runs/studies").rglob("*_log.err"))
    assert "this job is preempted" in logs
    assert records(tmp_path / "runs") == expected


@pytest.mark.slow
def test_ray_runs_a_study_and_a_killed_worker_is_replaced(locally, tmp_path):
    pytest.importorskip("ray", reason="needs ray")
    path, expected = locally

    def disturb() -> None:
        found = subprocess.run(
            ["pgrep", "-f", f"sslbench.app.worker {tmp_path}"], capture_output=True, text=True, check=True
        )
        subprocess.run(["kill", "-9", found.stdout.split()[0]], check=True)

    text = run_and_disturb(path, tmp_path / "runs", disturb, "--executor", "ray", "executor.workers=2")
    assert "ray: 2 tasks on a local cluster" in text
    assert "it is started again" in text
    assert records(tmp_path / "runs") == expected


@pytest.mark.parametrize("name", ["slurm", "ray"])
def test_an_absent_engine_is_one_sentence(name, locally, cli, tmp_path):
    """The engine's module is hidden, as where it is not installed."""
    path, _ = locally
    module = {"slurm": "submitit", "ray": "ray"}[name]
    (tmp_path / "sitecustomize.py").write_text(
        f"import importlib.util as u\nfind = u.find_spec\nu.find_spec = lambda n, p=None: None if n == {module!r} else find(n, p)\n"
    )
    answer = cli(
        "study",
        "run",
        str(path),
        "--executor",
        name,
        "--out",
        str(tmp_path / "runs"),
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert answer.returncode == 2
    assert answer.stderr == (
        f"error: --executor {name} needs {module}, which is not installed; install it with: pip install 'sslbench[{name}]'\n"
    )
    assert not list((tmp_path / "runs").glob("stages/*"))


@pytest.mark.slow
def test_two_studies_at_once_share_every_stage(locally, tmp_path):
    """Two `study run` on one study: nothing is made twice, and the records are those of one."""
    path, expected = locally
    out = tmp_path / "runs"
    program = [sys.executable, "-m", "sslbench", "study", "run", str(path), "--out", str(out), "executor.workers=1"]
    both = [subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    texts = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    assert records(out) == expected
    logs = "".join(log.read_text() for log in (out / "studies/votes/workers").glob("*.log"))
    assert "made twice" not in logs
    times = [json.loads(path.read_text())["seconds"] for path in out.glob("stages/*/*/stage.json")]
    assert len(times) == 20


def test_a_cluster_that_takes_no_job_is_a_sentence(cli, tmp_path):
    """Its commands are there, and nobody answers."""
    pytest.importorskip("submitit", reason="needs the extra sslbench[slurm]")
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("srun", "sbatch"):
        (commands / name).write_text("#!/bin/sh\necho nobody answers >&2\nexit 1\n")
        (commands / name).chmod(0o755)
    path = write(tmp_path, {**STUDY, "tables": [], "figures": [], "axes": {}})
    env = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    answer = cli("study", "run", str(path), "--executor", "slurm", "--out", str(tmp_path / "runs"), env=env)
    assert answer.returncode == 1, answer.stdout
    assert "error: slurm: no job could be sent: " in answer.stderr
    assert "nobody answers" in answer.stderr
    assert "Traceback" not in answer.stderr
