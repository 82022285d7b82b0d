"""Time a few steps of stages that nothing is known of, on generated rows, through the very stages that a run is made of.

It works without the data, because only sizes enter. It knows nothing of caches, disks and other users.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sslbench import environment
from sslbench.api.errors import Unavailable
from sslbench.config.datasets import Part
from sslbench.config.plan import Plan
from sslbench.data.splits import SplitSettings
from sslbench.data.synthetic import SIDE, SyntheticDataset
from sslbench.progress import TrainingStep
from sslbench.results.store import Store
from sslbench.stages.graph import Stage
from sslbench.study.rates import Rates

VALUES_PER_MODALITY, MIN_ROWS, MAX_ROWS = 2**20, 30, 256
"""Values to generate for a modality, and the rows that this may come to."""
EVALUATION_FACTOR = 2
"""So many times as many rows are evaluated: a protocol's batch is a part of its bank, and tiny batches cost more per row."""
BATCH_VALUES, MIN_BATCH = 2**19, 8
"""Values of one batch that is timed, and its rows at least."""
FIT_STEPS = 3
"""Steps of a protocol's training that are timed: a training has a minimum of steps, however few the rows."""
StagesOf = Callable[[Plan, Store], Iterable[Stage]]


def shrink_plan(plan: Plan) -> Plan:
    """The same plan on a few generated rows: one seed, one fold, and two or a few more steps.

    Nothing is fetched for it, and it never stops early.
    """
    values = sum(int(np.prod([side or SIDE for side in m.shape])) for m in plan.modalities.values())
    rows = int(np.clip(VALUES_PER_MODALITY // max(values, 1), MIN_ROWS, MAX_ROWS))
    batch = int(np.clip(BATCH_VALUES // max(values, 1), MIN_BATCH, min(plan.train.batch_size, rows)))

    def generated(part: Part, rows: int) -> Part:
        made = SyntheticDataset(part.dataset.modalities, part.dataset.target, rows, part.choice.spec.card.groups)
        return replace(part, dataset=made, fingerprint=made.fingerprint)

    train = replace(
        plan.train, epochs=1 if rows >= 2 * batch else 2, steps=0, eval_epochs=(), batch_size=batch, grad_accumulation=1,
        warmup_epochs=0.0,
        patience=0, min_epochs=0, devices=1, nodes=1, strategy="ddp", compile=False,
    )  # fmt: skip
    splits = SplitSettings(folds=plan.splits.folds, label_fractions=plan.splits.label_fractions)
    return replace(
        plan, pretrain_parts=(generated(plan.pretrain_parts[0], rows),),
        evaluate_parts=(generated(plan.evaluate_parts[0], EVALUATION_FACTOR * rows),),
        backbones={name: choice.without_weights() for name, choice in plan.backbones.items()},
        train=train, splits=splits, seeds=plan.seeds[:1], folds=(0,),
    )  # fmt: skip


class Limit:
    """How long measuring may take; `spent` counts what it took, without what was imported before."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = environment.stopwatch()

    @property
    def spent(self) -> float:
        return environment.stopwatch() - self._began

    @property
    def is_reached(self) -> bool:
        return self.spent >= self.seconds


def measure_plan(
    plan: Plan, families: Collection[str], stages_of: StagesOf, rates: Rates, limit: Limit, problems: list[str]
) -> bool:
    """Time one stage of each of these families, as long as there is time; a stage of a small plan stands for the real one.

    What a component cannot do with generated rows is added to `problems`, and costs nothing more. Returns whether the plan
    can be run, as far as is known: not where a component is unavailable for good.
    """
    whole = replace(
        plan, train=replace(plan.train, eval_epochs=())
    )  # snapshots are not measured by all, which moves places
    wanted: dict[str, dict[str, Stage]] = {}
    for stage in stages_of(whole, Store(root=Path(), prepared=Path())):
        wanted.setdefault(stage.kind, {}).setdefault(stage.shape, stage)
    with tempfile.TemporaryDirectory(prefix="sslbench-estimate-") as folder:
        store = Store(root=Path(folder), prepared=Path(folder) / "prepared")
        stages = {str(stage.folder): stage for stage in stages_of(shrink_plan(plan), store)}
        little: dict[str, list[str]] = {}
        for path, stage in stages.items():
            little.setdefault(stage.kind, []).append(path)
        real = {
            path: stage
            for kind, paths in little.items()
            for path, stage in zip(paths, wanted.get(kind, {}).values(), strict=False)
        }
        ordered = sorted(real.items(), key=lambda item: item[1].facts.get("fraction") or 1.0)  # most labels come last
        first = {stage.family: path for path, stage in ordered if stage.family in families}
        for path in _list_needed(stages, list(first.values())):
            if limit.is_reached:
                return True
            try:
                per_row = _time_stage(stages[path])
            except Exception as error:  # a fact about a component, and no reason to refuse a plan
                stage = stages[path]
                problems.append(f"{plan.method.name}: {stage.kind}: {type(error).__name__}: {error}")
                return not (isinstance(error, Unavailable) and error.lasting)
            if path in real:
                rates.add(real[path], per_row * max(real[path].rows, 1), real=False)
    return True


def _list_needed(stages: Mapping[str, Stage], asked: Collection[str]) -> Sequence[str]:
    """The stages that are asked for and all that they read, in an order in which they can be made."""
    needed = set(asked)
    for path in reversed(list(stages)):
        if path in needed:
            needed.update(map(str, stages[path].needs))
    return [path for path in stages if path in needed]


def _time_stage(stage: Stage) -> float:
    """Make a stage; seconds per row of a step after the first, where it takes steps, else of the whole.

    A protocol's training is left after its first steps, and counts as long as all of them would take.
    """
    watch = _Watch()
    stage.folder.mkdir(parents=True)
    began = environment.busy_stopwatch()
    try:
        stage.make(stage.folder, watch)
        whole = _elapsed(began, environment.busy_stopwatch())
    except _EnoughSteps as seen:
        whole = seen.seconds
    if stage.kind == "pretrain" and len(watch.times) > 1:
        return _elapsed(watch.times[0], watch.times[-1]) / (stage.rows * (len(watch.times) - 1) / len(watch.times))
    return whole / max(stage.rows, 1)


def _elapsed(first: tuple[float, float], last: tuple[float, float]) -> float:
    """Seconds between two looks, not counting those in which other programs had the processors."""
    return min(last[0] - first[0], last[1] - first[1])


class _EnoughSteps(Exception):
    """Enough steps of a protocol's training were timed; all of them would take so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a training of {seconds:.1f} s")
        self.seconds = seconds


class _Watch:
    """Notes when steps end; ends a protocol's training after its first steps."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def tick(self, done: int, total: int) -> None:
        """Note nothing."""

    def moment(self, moment: TrainingStep) -> None:
        self.times.append(environment.busy_stopwatch())

    def named(self, name: str, moment: TrainingStep) -> None:
        """Note a step of a protocol's training; raises _SeenEnough after FIT_STEPS of them."""
        self.times.append(environment.busy_stopwatch())
        if len(self.times) > FIT_STEPS:
            per_step = _elapsed(self.times[0], self.times[-1]) / FIT_STEPS
            raise _EnoughSteps(per_step * moment.epochs * moment.steps)
