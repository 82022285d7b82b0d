"""Define what every spec states, and the publication that it cites."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Publication of a method or a dataset."""

    title: str
    authors: str
    year: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Fields of every spec.

    name: lower-case words joined by '-'.
    version: raised when numbers may change.
    old_names: its names before a rename, which errors and records of schema 1 translate.
    """

    name: str
    version: int
    summary: str
    citation: Citation
    old_names: tuple[str, ...] = ()
