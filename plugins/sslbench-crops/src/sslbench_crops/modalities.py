"""Name the modalities of two sensors, the same in all datasets, so that encoders of one can be evaluated on another.

`step-a` and `step-b` are the vectors that both sensors measure at one place and time: a pair for pretraining. `series-a` and
`series-b` are their series for evaluation: every step of `series-a` is a sample of `step-a`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sslbench.api import Modality

Sensors = Literal["a", "b", "both"]


def name_sensors(sensors: Sensors) -> tuple[str, ...]:
    """Return the letters of the sensors that a setting names."""
    return ("a", "b") if sensors == "both" else (sensors,)


def pair_modalities(a: int, b: int) -> Mapping[str, Modality]:
    """Return the modalities of pairs of `a` and `b` values."""
    return {f"step-{one}": Modality(layout="vector", shape=(size,)) for one, size in (("a", a), ("b", b))}


def series_modality(sensor: str, steps: int, size: int) -> Mapping[str, Modality]:
    """Return the modality of series of `steps` steps (0: they differ) of `size` values."""
    return {f"series-{sensor}": Modality(layout="sequence", shape=(steps, size), sequence_of=f"step-{sensor}")}
