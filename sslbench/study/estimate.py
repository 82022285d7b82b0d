"""What a study would cost, from one measured step of each distinct shape, before anything starts.

A shape is measured on a few generated rows, through the very stages that a run is made of; the seconds scale with rows
and epochs. It works without the data, because only sizes enter. It knows nothing of caches, disks and other users.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench import environment
from sslbench.api.values import Modality, Target
from sslbench.config.parts import Part
from sslbench.config.plan import Plan
from sslbench.data.splits import SplitSettings
from sslbench.results.store import Store
from sslbench.stages.graph import Stage
from sslbench.stages.stage import finished
from sslbench.study.grid import Grid
from sslbench.train.moment import Moment

BUDGET, FEWEST, MOST = 2**22, 30, 384
"""Values to generate for a modality, and the rows that this may come to."""
SIDE, LENGTH = 64, 64
STEPS = 3
FIT_STEPS = 8
"""Steps of a protocol's training that are timed: a training has a minimum of steps, however few the rows."""
StagesOf = Callable[[Plan, Store], Iterable[Stage]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Distinct stages by kind, how many of them are done, and the seconds the others would take one after another."""

    stages: Mapping[str, int]
    done: Mapping[str, int]
    seconds: Mapping[str, float]
    shapes: int
    unmeasured: tuple[str, ...]


class Generated:
    """Random samples of announced sizes: enough to take a step with. Each is a group of its own."""

    def __init__(self, modalities: Mapping[str, Modality], target: Target, rows: int, groups: Sequence[str]) -> None:
        self.modalities = modalities
        names = target.names[: rows // 10]
        self.target = replace(target, names=names) if target.kind == "class" else target
        number = np.arange(rows)
        self.labels: NDArray[np.int64] = number % len(names) if target.kind == "class" else np.full(rows, -1)
        if target.kind == "labels":
            self.labels = np.random.default_rng(0).integers(0, 2, (rows, len(target.names)))
        self.columns: Mapping[str, NDArray[np.str_]] = dict.fromkeys(("id", *groups), number.astype(np.str_))

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Noise of the right shape."""
        return {name: noise(modality, rng) for name, modality in self.modalities.items()}

    def fingerprint(self) -> str:
        """Nothing that matters: what is made of it is thrown away."""
        return "generated"


def noise(modality: Modality, rng: np.random.Generator) -> NDArray[Any]:
    """One sample of a modality; sides that vary are 64."""
    shape = tuple(side or (SIDE if modality.layout == "image" else LENGTH) for side in modality.shape)
    if modality.layout == "image":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.normal(size=shape).astype(np.float32)


def small(plan: Plan) -> Plan:
    """The same plan on a few generated rows: one seed, one fold, as many epochs as there are steps to measure.

    Nothing is fetched for it, and it never stops early.
    """
    values = sum(int(np.prod([side or SIDE for side in m.shape])) for m in plan.modalities.values())
    rows = int(np.clip(BUDGET // max(values, 1), FEWEST, MOST))

    def generated(part: Part) -> Part:
        made = Generated(part.dataset.modalities, part.dataset.target, rows, part.choice.spec.card.groups)
        return replace(part, dataset=made, fingerprint=made.fingerprint)

    train = replace(
        plan.train, epochs=STEPS, steps=0, snapshots=(), batch=min(plan.train.batch, rows), warmup=0.0, patience=0,
        least_epochs=0,
    )  # fmt: skip
    splits = SplitSettings(folds=plan.splits.folds, fractions=plan.splits.fractions)
    return replace(
        plan, pretrain_parts=(generated(plan.pretrain_parts[0]),), evaluate_parts=(generated(plan.evaluate_parts[0]),),
        backbones={name: choice.unlearnt() for name, choice in plan.backbones.items()},
        train=train, splits=splits, seeds=plan.seeds[:1], folds=(0,),
    )  # fmt: skip


def estimate(grid: Grid, store: Store, stages_of: StagesOf) -> Estimate:
    """Count a grid's distinct stages, and time one of each shape."""
    stages: dict[Path, Stage] = {}
    rates: dict[str, float] = {}
    unmeasured: list[str] = []
    for row in grid.rows:
        mine = list(stages_of(row.plan, store))
        waiting = [stage for stage in mine if not finished(stage.folder)]
        rates |= _measured(row.plan, {stage.shape for stage in waiting} - rates.keys(), stages_of, unmeasured)
        stages |= {stage.folder: stage for stage in mine}
    done = [stage for path, stage in stages.items() if finished(path)]
    left = [stage for path, stage in stages.items() if not finished(path)]
    seconds: Counter[str] = Counter()
    for stage in left:
        seconds[stage.kind] += rates.get(stage.shape, 0.0) * max(stage.rows, 1)  # type: ignore[assignment]
    kinds = ("prepare", "pretrain", "extract", "evaluate")
    return Estimate(
        stages={kind: sum(s.kind == kind for s in stages.values()) for kind in kinds},
        done={kind: sum(s.kind == kind for s in done) for kind in kinds},
        seconds={kind: float(seconds[kind]) for kind in kinds},
        shapes=len(rates),
        unmeasured=tuple(dict.fromkeys(unmeasured)),
    )


def _measured(plan: Plan, shapes: Collection[str], stages_of: StagesOf, unmeasured: list[str]) -> Mapping[str, float]:
    """Seconds per row of these shapes; a stage of the small plan stands for the real ones of its place."""
    if not shapes:
        return {}
    whole = replace(
        plan, train=replace(plan.train, snapshots=())
    )  # snapshots are not measured by all, which moves places
    wanted = _by_place(stages_of(whole, Store(root=Path(), prepared=Path())), lambda stage: stage.shape)
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="sslbench-estimate-") as folder:
        store = Store(root=Path(folder), prepared=Path(folder) / "prepared")
        little = _by_place(stages_of(small(plan), store), lambda stage: str(stage.folder))
        shape_of = {
            path: shape for kind, paths in little.items() for path, shape in zip(paths, wanted[kind], strict=False)
        }
        stages = {str(stage.folder): stage for stage in stages_of(small(plan), store)}
        for path in _needed(stages, [path for path, shape in shape_of.items() if shape in shapes]):
            try:
                per_row = _timed(stages[path])
            except Exception as error:  # whatever a component cannot do on noise is said, and costs nothing more
                unmeasured.append(f"{plan.method.name}: {stages[path].kind}: {type(error).__name__}: {error}")
                break
            if shape_of.get(path) in shapes:
                rates[shape_of[path]] = per_row
    return rates


def _by_place(stages: Iterable[Stage], value: Callable[[Stage], str]) -> Mapping[str, Sequence[str]]:
    """The different values of the stages of each kind, in order."""
    found: dict[str, dict[str, None]] = {}
    for stage in stages:
        found.setdefault(stage.kind, {})[value(stage)] = None
    return {kind: list(values) for kind, values in found.items()}


def _needed(stages: Mapping[str, Stage], asked: Collection[str]) -> Sequence[str]:
    """The stages that are asked for and all that they read, in an order in which they can be made."""
    needed = set(asked)
    for path in reversed(list(stages)):
        if path in needed:
            needed.update(map(str, stages[path].needs))
    return [path for path in stages if path in needed]


def _timed(stage: Stage) -> float:
    """Make a stage; seconds per row of a step after the first, where it takes steps, else of the whole.

    A protocol's training is left after its first steps, and counts as long as all of them would take.
    """
    watch = _Watch()
    stage.folder.mkdir(parents=True)
    began = environment.stopwatch()
    try:
        stage.make(stage.folder, watch)
        whole = environment.stopwatch() - began
    except _SeenEnough as seen:
        whole = seen.seconds
    if stage.kind == "pretrain" and len(watch.times) > 1:
        return (watch.times[-1] - watch.times[0]) / (stage.rows * (len(watch.times) - 1) / len(watch.times))
    return whole / max(stage.rows, 1)


class _SeenEnough(Exception):
    """Enough steps of a protocol's training were timed; all of them would take so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a training of {seconds:.1f} s")
        self.seconds = seconds


class _Watch:
    """Notes when steps end; ends a protocol's training after its first steps."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def tick(self, done: int, total: int) -> None:
        """Note nothing."""

    def moment(self, moment: Moment) -> None:
        self.times.append(environment.stopwatch())

    def named(self, name: str, moment: Moment) -> None:
        """Note a step of a protocol's training; raises _SeenEnough after FIT_STEPS of them."""
        self.times.append(environment.stopwatch())
        if len(self.times) > FIT_STEPS:
            per_step = (self.times[-1] - self.times[0]) / FIT_STEPS
            raise _SeenEnough(per_step * moment.epochs * moment.of)
