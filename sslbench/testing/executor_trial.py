"""Run a small study of the kit's components to test executors, in less than a minute on two cores."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from sslbench.environment import isolated_python
from sslbench.results.record import VARYING_FIELDS

STUDY = {
    "name": "trial",
    "base": {
        "method": "kit-as-is", "backbone": "kit-encoder", "augmentation": "kit-noisy", "data": "kit-samples",
        "protocols": ["knn", "linear"], "protocol_settings.linear.epochs": 2000, "baselines": "none", "threads": 1,
        "train.precision": "float32",
    },
    "axes": {"backbone.width": [8, 16], "seeds": [[0], [1]]},
}  # fmt: skip
COMPONENTS = {
    "METADATA": "Metadata-Version: 2.1\nName: sslbench-kit\nVersion: 1\n",
    "entry_points.txt": "[sslbench]\nkit = sslbench.testing.props\n",
}
"""Metadata of a distribution of the kit's components: workers are separate programs and find only installed components.
"""
SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOutcome:
    """Result of one `study run`: exit code, printed text, and the records by run, without cost, host and clock."""

    code: int
    text: str
    records: Mapping[str, Mapping[str, Any]]
    out: Path


class ExecutorTrial:
    """A study in a folder, run by different executors; equal records show that an executor loses and repeats nothing.

    trial = ExecutorTrial(tmp_path)
    assert trial.run("mine", "executor.workers=2").records == trial.run("local").records
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.study = folder / "trial.yaml"
        self.study.write_text(yaml.safe_dump(STUDY, sort_keys=False))
        installed = folder / "installed" / "sslbench_kit-1.dist-info"
        installed.mkdir(parents=True)
        for name, content in COMPONENTS.items():
            (installed / name).write_text(content)
        paths = [str(installed.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._variables = {"PYTHONPATH": os.pathsep.join(paths), "SSLBENCH_DATA": str(folder / "data")}
        self._runs = 0

    def run(
        self,
        executor: str,
        *overrides: str,
        disturb: Callable[[Path], None] | None = None,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> StudyOutcome:
        """Run the study in a new folder, with additional environment variables.

        `disturb` is called once with that folder when the first encoder is done and evaluations are left: it may kill
        workers. Raises TimeoutError after 15 minutes, and RuntimeError if the study ended before that call.
        """
        self._runs += 1
        out = self.folder / f"runs-{self._runs}"
        log = out.with_suffix(".log")
        program = [*isolated_python(), "-m", "sslbench", "study", "run", str(self.study), "--out", str(out)]
        program += ["--executor", executor, *overrides]
        end = time.monotonic() + SECONDS
        with log.open("wb") as file:
            process = subprocess.Popen(
                program, stdout=file, stderr=file, env={**os.environ, **self._variables, **variables}
            )
            try:
                while process.poll() is None:
                    if disturb is not None and any(out.glob("stages/extract/*/stage.json")):
                        disturb(out)
                        disturb = None
                    if time.monotonic() > end:
                        raise TimeoutError(f"the study took longer than {SECONDS:g} s; see {log}")
                    time.sleep(0.1)
            finally:
                process.terminate()
                process.wait()
        if disturb is not None:
            raise RuntimeError(f"the study ended before it was disturbed; see {log}")
        return StudyOutcome(code=process.returncode, text=log.read_text(), records=_records(out), out=out)


def _records(out: Path) -> dict[str, dict[str, Any]]:
    """Read the parts of records that must be equal for all executors."""
    found = {path.parent.name: json.loads(path.read_text()) for path in sorted(out.glob("*/record.json"))}
    return {run: {k: v for k, v in record.items() if k not in VARYING_FIELDS} for run, record in found.items()}
