"""What every broken toy is published with."""

from __future__ import annotations

from dataclasses import dataclass

from tests.toys.data import CITATION


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """Nothing to set."""


KNOWN = {"name": "broken", "version": 1, "summary": "a toy", "citation": CITATION}
SETTINGS = {**KNOWN, "config": Nothing, "smoke": Nothing()}
