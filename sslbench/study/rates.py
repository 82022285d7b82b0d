"""What stages cost per row on this machine: measured once, or learned from stages that were made, and kept in a file.

A stage whose shape is not known is judged by the nearest that is: another of its family (the same training or protocol
under other settings), another use of its encoder, another stage of its kind.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sslbench import environment
from sslbench.api.files import write_atomically
from sslbench.config.keys import digest
from sslbench.stages.graph import Stage
from sslbench.stages.stage import cost, finished

FORWARD: Mapping[str, float] = {"pretrain": 6.0, "extract": 1.0, "evaluate": 3.0}
"""Passes of one row through its encoder, about: two views forward and back, one forward, one forward and back."""
MAX_SHAPES = 5000
"""Shapes that the file holds; the oldest are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Seconds per row of one shape, and of how many rows; `real` where a whole stage was made and not a few steps."""

    kind: str
    family: str
    encoder: str
    per_row: float
    rows: int
    passes_encoder: bool = False
    real: bool = False


@dataclass(slots=True)
class Rates:
    """The rates of shapes; `path` is where they are kept (None: nowhere)."""

    path: Path | None = None
    known: dict[str, Rate] = field(default_factory=dict)

    def add(self, stage: Stage, seconds: float, *, real: bool) -> None:
        """Take in what a stage cost. A whole stage counts more than steps, and a large one more than a small one."""
        new = Rate(
            kind=stage.kind, family=stage.family, encoder=stage.encoder, per_row=seconds / max(stage.rows, 1),
            rows=stage.rows, passes_encoder=stage.passes_encoder, real=real,
        )  # fmt: skip
        old = self.known.get(stage.shape)
        if old is None or (new.real, new.rows) >= (old.real, old.rows):
            self.known.pop(stage.shape, None)
            self.known[stage.shape] = new

    def learn(self, stages: Iterable[Stage]) -> None:
        """Take in every stage that is made."""
        for stage in stages:
            if finished(stage.folder):
                self.add(stage, float(cost(stage.folder)["seconds"]), real=True)

    def estimate(self, stage: Stage) -> float | None:
        """Say about what a stage would take; None where nothing like it is known."""
        rate = self.known.get(stage.shape)
        per_row = rate.per_row if rate else self._like(stage)
        return None if per_row is None else per_row * max(stage.rows, 1)

    def _like(self, stage: Stage) -> float | None:
        family: list[float] = []
        encoder: list[float] = []
        kind: list[float] = []
        for rate in self.known.values():
            if (rate.kind, rate.passes_encoder) == (stage.kind, stage.passes_encoder):
                kind.append(rate.per_row)
                family += [rate.per_row] if rate.family == stage.family else []
            if stage.passes_encoder and rate.encoder == stage.encoder and rate.kind in ("pretrain", "extract"):
                encoder.append(rate.per_row * FORWARD[stage.kind] / FORWARD[rate.kind])
        if stage.kind == "pretrain" and not stage.rows:  # nothing is trained: rates of trainings say nothing
            return sum(family) / len(family) if family else 0.0
        # of protocols on features each costs what it costs: another one's rate says nothing
        found = family or encoder or (kind if stage.passes_encoder or stage.kind != "evaluate" else [])
        return sum(found) / len(found) if found else None

    def save(self) -> None:
        """Write the file, together with what another process has written meanwhile."""
        if self.path is not None:
            known = {**_read(self.path), **self.known}
            content = {shape: asdict(rate) for shape, rate in list(known.items())[-MAX_SHAPES:]}
            write_atomically(self.path, json.dumps(content).encode())


def open_rates() -> Rates:
    """Read what is known of this machine, with the versions and the device that it has now."""
    here = digest(
        dict(environment.host()), dict(environment.versions()), environment.device_kind(), environment.cores()
    )
    path = environment.places().data / "rates" / f"{here}.json"
    return Rates(path, _read(path))


def _read(path: Path) -> dict[str, Rate]:
    try:
        return {shape: Rate(**rate) for shape, rate in json.loads(path.read_text()).items()}
    except (FileNotFoundError, ValueError, TypeError):  # not there, or of another version: it is measured again
        return {}


def by_kind(stages: Iterable[Stage], rates: Rates) -> dict[str, float]:
    """Sum what stages would take, by kind; what nothing is known of counts as nothing."""
    seconds: dict[str, float] = defaultdict(float)
    for stage in stages:
        seconds[stage.kind] += rates.estimate(stage) or 0.0
    return dict(seconds)
