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

KINDS = ("method", "backbone", "augmentation", "dataset", "protocol")


@pytest.fixture(scope="module")
def plugin_environment(cli, tmp_path_factory) -> tuple[Path, Path]:
    """Make a fresh environment with this one's packages and five new plugins; return it with the plugins' folder."""
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
    answer = call(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *tests)
    last = answer.stdout.strip().splitlines()[-1]
    assert answer.returncode == 0, answer.stdout
    assert int(last.split(" passed")[0]) > 50, last
    assert "xfailed" not in last


def test_a_run_uses_all_of_them(plugin_environment, tmp_path):
    """The five together, on files in the new dataset's layout: a bright and a dark class."""
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
    assert "results: " in answer.stdout
    told = json.loads(next((tmp_path / "runs").glob("*/choices.json")).read_text())
    chosen = [choice for choice in told if choice["protocol"] == "new-protocol"]
    assert {len(choice["among"]) for choice in chosen} == {2}, "its choice of a distance is in the run's files"


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
