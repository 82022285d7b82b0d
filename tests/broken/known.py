"""Define the metadata that all toys share."""

from __future__ import annotations

from dataclasses import dataclass

from tests.toys.data import CITATION


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """A component without settings."""


KNOWN = {"name": "broken", "version": 1, "summary": "a toy", "citation": CITATION}
SETTINGS = {**KNOWN, "config": Nothing, "smoke": Nothing()}
