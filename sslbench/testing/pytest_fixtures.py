"""Provide pytest fixtures for the tests of plugins: prepared data in a temporary folder, the command line, real data.

The `conftest.py` in the folder of a plugin's tests loads them:

    pytest_plugins = ["sslbench.testing.pytest_fixtures"]
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]
REAL_DATA = Path("shared/data")
"""Where `shared` looks for data, in the folders that contain the project."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of slow tests."""
    config.addinivalue_line("markers", 'slow: takes more than ten seconds; `pytest -m "not slow"` leaves it out')


@pytest.fixture(scope="session")
def shared(pytestconfig: pytest.Config) -> Path:
    """Return the folder `shared/data` next to the project, for data that a repository cannot hold; skip without it."""
    found = [parent / REAL_DATA for parent in pytestconfig.rootpath.parents if (parent / REAL_DATA).is_dir()]
    if not found:
        pytest.skip(f"needs the real data in {REAL_DATA} next to the project")
    return found[0]


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Send prepared data to a folder of the session, and ignore the user's settings of data folders and plugins."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSLBENCH_DATA", str(folder))
        for name in ("SSLBENCH_SOURCES", "SSLBENCH_DISABLE"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Return a function that runs the command line: `cli("list").stdout`, also with `env` and `cwd`."""

    def call(
        *args: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from sslbench.cli import main; main()", *args]
        variables = {**os.environ, **(env or {})}
        return subprocess.run(command, capture_output=True, text=True, env=variables, cwd=cwd, check=False)

    return call
