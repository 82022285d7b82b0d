"""Store the cost per row of stages on this machine, from timed steps or finished stages.

A stage with an unknown shape is estimated from the nearest known one: of its family (the same training or protocol with other
settings), of its encoder, or of its kind.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sslbench import environment
from sslbench.api.files import write_atomically
from sslbench.data.key_form import digest
from sslbench.stages.graph import Stage
from sslbench.stages.stage import is_finished, load_cost

FORWARD: Mapping[str, float] = {"pretrain": 6.0, "extract": 1.0, "evaluate": 3.0}
"""Approximate passes of one row: two views forward and backward, one forward, one forward and backward."""
MAX_SHAPES = 5000
"""Maximum number of shapes in the file; the oldest are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Seconds per row of one shape; `real` if a whole stage was made, not only a few steps."""

    kind: str
    family: str
    encoder: str
    per_row: float
    rows: int
    passes_encoder: bool = False
    real: bool = False


@dataclass(slots=True)
class Rates:
    """The rates by shape; `path` is their file (None: not saved)."""

    path: Path | None = None
    known: dict[str, Rate] = field(default_factory=dict)

    def add(self, stage: Stage, seconds: float, *, real: bool) -> None:
        """Add the cost of a stage. Whole stages replace timed steps, and larger stages replace smaller ones."""
        new = Rate(
            kind=stage.kind, family=stage.family, encoder=stage.encoder, per_row=seconds / max(stage.rows, 1),
            rows=stage.rows, passes_encoder=stage.passes_encoder, real=real,
        )  # fmt: skip
        old = self.known.get(stage.shape)
        if old is None or (new.real, new.rows) >= (old.real, old.rows):
            self.known.pop(stage.shape, None)
            self.known[stage.shape] = new

    def learn(self, stages: Iterable[Stage]) -> None:
        """Add every finished stage."""
        for stage in stages:
            if is_finished(stage.folder):
                self.add(stage, float(load_cost(stage.folder)["seconds"]), real=True)

    def estimate(self, stage: Stage) -> float | None:
        """Estimate the seconds of a stage; None if no similar stage is known."""
        rate = self.known.get(stage.shape)
        per_row = rate.per_row if rate else self._estimate_per_row(stage)
        return None if per_row is None else per_row * max(stage.rows, 1)

    def _estimate_per_row(self, stage: Stage) -> float | None:
        family: list[float] = []
        encoder: list[float] = []
        kind: list[float] = []
        for rate in self.known.values():
            if (rate.kind, rate.passes_encoder) == (stage.kind, stage.passes_encoder):
                kind.append(rate.per_row)
                family += [rate.per_row] if rate.family == stage.family else []
            if stage.passes_encoder and rate.encoder == stage.encoder and rate.kind in ("pretrain", "extract"):
                encoder.append(rate.per_row * FORWARD[stage.kind] / FORWARD[rate.kind])
        if stage.kind == "pretrain" and not stage.rows:  # nothing is trained: rates of trainings do not apply
            return sum(family) / len(family) if family else 0.0
        # the rate of one protocol on features does not apply to another
        found = family or encoder or (kind if stage.passes_encoder or stage.kind != "evaluate" else [])
        return sum(found) / len(found) if found else None

    def save(self) -> None:
        """Write the file, merged with entries that other processes have written."""
        if self.path is not None:
            known = {**_read(self.path), **self.known}
            content = {shape: asdict(rate) for shape, rate in list(known.items())[-MAX_SHAPES:]}
            write_atomically(self.path, json.dumps(content).encode())


def open_rates() -> Rates:
    """Read the rates of this machine with its current versions and device."""
    machine = digest(
        dict(environment.describe_host()),
        dict(environment.versions()),
        environment.device_kind(),
        environment.count_cores(),
    )
    path = environment.places().data / "rates" / f"{machine}.json"
    return Rates(path, _read(path))


def _read(path: Path) -> dict[str, Rate]:
    try:
        return {shape: Rate(**rate) for shape, rate in json.loads(path.read_text()).items()}
    except (FileNotFoundError, ValueError, TypeError):  # missing or of another version: it is measured again
        return {}


def by_kind(stages: Iterable[Stage], rates: Rates) -> dict[str, float]:
    """Sum the estimated seconds of stages by kind; unknown costs count as 0."""
    seconds: dict[str, float] = defaultdict(float)
    for stage in stages:
        seconds[stage.kind] += rates.estimate(stage) or 0.0
    return dict(seconds)
