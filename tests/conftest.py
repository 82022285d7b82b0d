"""Fixtures: real data where it is available, a folder for prepared data, and the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.board_fixtures import make_board

settings.register_profile("no deadline", deadline=None)  # a test that shares its cores is slow, not wrong
settings.load_profile("no deadline")

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data next to the project; tests that need it skip where it is absent."""
    if not SHARED.exists():
        pytest.skip(f"needs the real data in {SHARED.name} next to the project")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Prepared data goes to a folder of the session."""
    folder = tmp_path_factory.mktemp("data")
    before = {name: os.environ.get(name) for name in ("SSLBENCH_DATA", "SSLBENCH_SOURCES", "SSLBENCH_DISABLE")}
    os.environ["SSLBENCH_DATA"] = str(folder)
    for name in ("SSLBENCH_SOURCES", "SSLBENCH_DISABLE"):
        os.environ.pop(name, None)
    yield folder
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run the command line as a user does."""

    def call(
        *args: str, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from sslbench.cli import main; main()", *args]
        return subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd=cwd, check=False
        )

    return call


@pytest.fixture(scope="session")
def made_board(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a small leaderboard once, for all tests that copy it."""
    return make_board(cli, tmp_path_factory.mktemp("made"))


@pytest.fixture
def board(made_board: Path, tmp_path: Path) -> Path:
    """A copy of it that may be changed."""
    return Path(shutil.copytree(made_board, tmp_path / "leaderboard"))


TINY = {
    "train.epochs": 2,
    "train.batch_size": 64,
    "seeds": [0],
    "protocol_settings.finetune.epochs": 1,
    "protocol_settings.finetune.min_steps": 0,
    "protocol_settings.linear.epochs": 2,
    "protocol_settings.linear.min_steps": 0,
    "protocol_settings.clustering.restarts": 1,
    "protocol_settings.clustering.seeds": 1,
    "protocol_settings.clustering.permutations": 2,
    "backbone.width": 16,
    "backbone.heads": 2,
    "backbone.depth": 1,
}
"""Settings that make a run on digits take seconds, for the micro ViT."""
