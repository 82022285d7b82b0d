"""Warn about training budgets that are too small for few labels."""

from __future__ import annotations

from collections.abc import Iterator


def warn_of_few_steps(min_steps: int, default: int, consequence: str) -> Iterator[str]:
    """Yield a warning if a protocol's `min_steps` is below its default; `consequence` states what few labels then cause."""
    if min_steps < default:
        yield f"min_steps={min_steps}: with few labels, {consequence}. Use {default:,} or more"
