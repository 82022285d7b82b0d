"""Fixtures of the core's tests, in addition to those that plugins use as well."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from sslbench.testing.plans import SMALL_RUN
from tests.board_fixtures import make_board

pytest_plugins = ["sslbench.testing.pytest_fixtures"]

settings.register_profile("no deadline", deadline=None)  # a test that shares its cores is slow, not wrong
settings.load_profile("no deadline")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def made_board(cli: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a small leaderboard once, for all tests that copy it."""
    return make_board(cli, tmp_path_factory.mktemp("made"))


@pytest.fixture
def board(made_board: Path, tmp_path: Path) -> Path:
    """A copy of it that may be changed."""
    return Path(shutil.copytree(made_board, tmp_path / "leaderboard"))


TINY = {**SMALL_RUN, "backbone.width": 16, "backbone.heads": 2, "backbone.depth": 1}
"""Settings that make a run on digits take seconds, for the micro ViT."""
