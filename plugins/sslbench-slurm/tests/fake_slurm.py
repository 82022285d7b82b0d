"""Slurm's commands on this machine, without a scheduler: every job starts at once. Called by scripts that `install` makes.

The folder of the scripts holds one file for each running job, with the ID of its process group.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = ("sbatch", "srun", "squeue", "scancel")


def install(folder: Path) -> str:
    """Make the commands; return the PATH on which they are found first."""
    (folder / "jobs").mkdir(parents=True)
    for name in COMMANDS:
        program = shlex.join([sys.executable, __file__, name, str(folder / "jobs")])
        (folder / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def sbatch(jobs: Path, script: str) -> None:
    text = Path(script).read_text()
    counter = jobs.parent / "last"
    job = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(job))
    array = re.search(r"^#SBATCH --array=0-(\d+)", text, flags=re.MULTILINE)
    for place in range(int(array[1]) + 1) if array else ["N/A"]:
        name = f"{job}_{place}"
        variables = {"SLURM_JOB_ID": str(job), "SLURM_NTASKS": "1"}
        if array:
            variables |= {"SLURM_ARRAY_JOB_ID": str(job), "SLURM_ARRAY_TASK_ID": str(place)}
        file = jobs / name.replace("/", "")
        file.write_text("")
        subprocess.Popen(
            [sys.executable, __file__, "job", str(file), script], env={**os.environ, **variables}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    print(f"Submitted batch job {job}")


def job(file: Path, script: str) -> None:
    file.write_text(str(os.getpid()))
    subprocess.run(["bash", script], check=False)
    file.unlink(missing_ok=True)


def srun(jobs: Path, *arguments: str) -> None:
    program = arguments[arguments.index(sys.executable) :]
    os.execv(program[0], program)


def squeue(jobs: Path, *options: str) -> None:
    for file in jobs.iterdir():
        print(file.name.replace("_NA", "_N/A"))


def scancel(jobs: Path, name: str) -> None:
    for file in [file for file in jobs.iterdir() if name in (file.name, file.name.removesuffix("_NA"))]:
        while not file.read_text():
            time.sleep(0.05)  # the job is just starting
        os.killpg(int(file.read_text()), signal.SIGKILL)
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    call = {"sbatch": sbatch, "srun": srun, "squeue": squeue, "scancel": scancel, "job": job}[sys.argv[1]]
    call(Path(sys.argv[2]), *sys.argv[3:])
