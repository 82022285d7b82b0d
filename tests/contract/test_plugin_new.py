"""A plugin of every kind, created by the command, installed into an environment of its own, and run."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from tests.installed_plugin import install_plugin

KINDS = ("method", "backbone", "augmentation", "dataset", "protocol", "metric", "layout", "study", "executor")
VOLUMES = """
import numpy as np
from dataclasses import dataclass
from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, Target, hookimpl

CITATION = Citation(title="t", authors="a", year=2026, url="https://example.org")


@dataclass(frozen=True, kw_only=True)
class Nothing:
    pass


class Volumes:
    modalities = {"volume": Modality(layout="new-layout", shape=(1, 0, 0, 0))}
    target = Target(kind="class", names=("dark", "bright"))
    labels = np.arange(40) % 2
    columns = {"id": np.arange(40).astype(str)}

    def __init__(self, config, source):
        pass

    def fingerprint(self):
        return "volumes"

    def read(self, row, rng):
        own = np.random.default_rng(row)
        return {"volume": (own.normal(size=(1, 9, 8 + row % 3, 8)) + 2 * self.labels[row] - 1).astype(np.float32)}


@hookimpl
def sslbench_datasets():
    card = DatasetCard(license="MIT", citation=CITATION, source="generated", obtain="generated", embedded=True)
    yield DatasetSpec(name="volumes", version=1, summary="s", citation=CITATION, config=Nothing, smoke=Nothing(), build=Volumes,
                      card=card)
"""


@pytest.fixture(scope="module")
def plugin_environment(cli, tmp_path_factory) -> tuple[Path, Path]:
    """Make a fresh environment with this one's packages and a new plugin of every kind; return it with the plugins' folder."""
    folder, home = tmp_path_factory.mktemp("new"), tmp_path_factory.mktemp("stranger")
    for kind in KINDS:
        answer = cli("plugin", "new", f"new-{kind}", "--kind", kind, "--folder", str(folder))
        assert answer.returncode == 0, answer.stderr
        assert f"sslbench plugin check new-{kind}" in answer.stdout
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin/python"
    inside = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    (inside / "host.pth").write_text("".join(f"import site; site.addsitedir({p!r})\n" for p in site.getsitepackages()))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([*pip, *(str(folder / f"new-{kind}") for kind in KINDS)], check=True, capture_output=True)
    return python, folder


def call(python: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), *arguments], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


def test_their_own_tests_pass(plugin_environment):
    python, folder = plugin_environment
    tests = [str(folder / f"new-{kind}/tests") for kind in KINDS]
    fast = ("-k", "not same_records")  # the executor runs a study in the next but one test
    answer = call(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *fast, *tests)
    last = answer.stdout.strip().splitlines()[-1]
    assert answer.returncode == 0, answer.stdout
    assert int(last.split(" passed")[0]) > 70, last
    assert "xfailed" not in last


def test_a_run_uses_all_of_them(plugin_environment, tmp_path):
    """The six that a run may name together, on files in the new dataset's layout: a bright and a dark class."""
    python, _ = plugin_environment
    rng = np.random.default_rng(0)
    for name, light in (("bright", 180), ("dark", 60)):
        (tmp_path / "data/new-dataset" / name).mkdir(parents=True)
        for number in range(40):
            image = np.clip(rng.normal(light, 30, (3, 16, 16)), 0, 255).astype(np.uint8)
            path = tmp_path / "data/new-dataset" / name / str(number)
            np.save(f"{path}.image.npy", image)
            np.save(f"{path}.series.npy", rng.normal(light, 30, (5 + number, 2)))
    named = [f"--{kind}={'new-' + kind}" for kind in ("method", "dataset", "augmentation")]
    named += ["--backbone", "image=new-backbone"]
    answer = call(
        python, "-m", "sslbench", "run", *named, "--protocols=new-protocol,knn", "--baselines=none", "--seeds=0",
        f"--out={tmp_path}/runs", "view.size=16", "train.epochs=2", "train.batch_size=16", "backbones.image.widths=[4,8]",
        SSLBENCH_SOURCES=str(tmp_path / "data"),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "new-protocol" in answer.stdout
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/record.json"))
    found = {score["protocol"] for score in record["scores"] if score["metric"] == "new_metric"}
    assert found == {"new-protocol", "knn"}, "the new metric follows from the predictions of both protocols"
    assert "results: " in answer.stdout
    told = json.loads(next((tmp_path / "runs").glob("*/choices.json")).read_text())
    chosen = [choice for choice in told if choice["protocol"] == "new-protocol"]
    assert {len(choice["among"]) for choice in chosen} == {2}, "its choice of a distance is in the run's files"


def test_a_study_and_an_executor_give_a_table(plugin_environment, tmp_path):
    python, _ = plugin_environment
    answer = call(
        python, "-m", "sslbench", "study", "run", "new-study", "--scale", "smoke", "--executor", "new-executor",
        f"--out={tmp_path}/runs",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (table,) = (tmp_path / "runs/studies").glob("*/tables/accuracy.md")
    assert "| narrow" in table.read_text()
    assert "| wide" in table.read_text()
    assert list((tmp_path / "runs").rglob("worker-0.log")), "the new executor wrote the log of its worker"


def test_a_run_uses_the_layout(plugin_environment, tmp_path):
    """A dataset of another plugin has samples in the new layout."""
    python, _ = plugin_environment
    installed = install_plugin(tmp_path, "volumes", VOLUMES)
    answer = call(
        python, "-m", "sslbench", "run", "--method=raw-features", "--dataset=volumes", "--protocols=knn", "--baselines=none",
        "--seeds=0", "prepare.size=8", f"--out={tmp_path}/runs", **installed,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/record.json"))
    assert record["evaluated_on"][0]["modalities"]["volume"]["shape"] == [1, 8, 8, 8]
    scores = [score["value"] for score in record["scores"] if score["metric"] == "micro_accuracy"]
    assert min(scores) > 0.9


def test_the_table_of_checks(plugin_environment):
    python, _ = plugin_environment
    answer = call(python, "-m", "sslbench", "plugin", "check", "protocol/new-protocol")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "protocol/new-protocol (version 1, new-protocol 0.1.0)" in answer.stdout
    assert "passed          ignores_query_labels" in answer.stdout
    assert "passed          reports_its_selection" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("new", "My_Plugin", "--kind", "method"),
            "'My_Plugin' is not a valid plugin name; use lower-case words joined by '-'",
        ),
        (("new", "mine", "--kind", "methods"), "--kind 'methods' has no template. Did you mean 'method'?"),
        (
            ("new", "tests", "--kind", "method", "--folder", str(Path(__file__).parents[2])),
            "exists; choose another name",
        ),
        (("new", "simclr", "--kind", "method"), "method 'simclr' is already installed, from sslbench-vision"),
        (("check", "knnn"), "'knnn' is not an installed distribution, plugin or component. Did you mean 'knn'?"),
    ],
)
def test_mistakes_are_errors_of_one_line(cli, arguments, sentence):
    answer = cli("plugin", *arguments)
    assert answer.returncode == 2
    assert sentence in answer.stderr
    assert "Traceback" not in answer.stderr
