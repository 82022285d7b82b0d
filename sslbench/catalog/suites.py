"""List the study files of a checkout; `study.definition` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SUITES = Path("benchmarks/studies")


def list_study_files() -> Sequence[Path]:
    """Return the study files below the working folder, sorted by name."""
    return sorted(SUITES.glob("*.yaml"))
