"""Mark methods in tables with facts that affect comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MARKS = {"uses_labels": "labels", "identical_views": "identical views"}
"""Facts of a record about its method, and the mark of each: it uses labels; its views are identical."""


def marks_of(method: Mapping[str, Any]) -> str:
    """Return the marks of a record's method, joined by commas; often empty."""
    return ", ".join(mark for fact, mark in MARKS.items() if method.get(fact))


def with_marks(name: str, marks: str) -> str:
    """Return a name with its marks in brackets."""
    return f"{name} ({marks})" if marks else name


def marked_method(method: Mapping[str, Any]) -> str:
    """Return the name of a record's method with its marks."""
    return with_marks(method["name"], marks_of(method))


def joined_names(parts: Iterable[Mapping[str, Any]]) -> str:
    """Join the names of a record's backbones or augmentations; '' if there are none."""
    return "+".join(part["name"] for part in parts)
