"""What a watcher sees of a training after each step. No torch: displays and workers import it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a watcher sees after each step."""

    epoch: int
    epochs: int
    step: int
    of: int
    loss: float
    samples_per_second: float
