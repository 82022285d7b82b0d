"""Studies that lie in a checkout which is the working folder. Only where they lie; what they say is `study.definition`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SUITES = Path("benchmarks/studies")


def studies_here() -> Sequence[Path]:
    """Their files, in order of name."""
    return sorted(SUITES.glob("*.yaml"))
