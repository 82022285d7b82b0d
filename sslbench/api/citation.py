"""Define the publication that a component cites."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Publication of a method or a dataset."""

    title: str
    authors: str
    year: int
    url: str
