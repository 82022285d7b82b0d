"""Time a few steps of stages with unknown cost on generated rows, with the code of real runs.

It needs no data because only sizes matter. It does not model caches, disks or other users.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sslbench import environment
from sslbench.api.errors import Unavailable
from sslbench.api.layouts import RANDOM_SIDE
from sslbench.config.datasets import Part
from sslbench.config.plan import Plan
from sslbench.data.splits import SplitSettings
from sslbench.data.synthetic import SyntheticDataset
from sslbench.progress import TrainingStep
from sslbench.results.store import Store
from sslbench.stages.graph import Stage
from sslbench.study.rates import Rates

VALUES_PER_MODALITY, MIN_ROWS, MAX_ROWS = 2**20, 30, 256
"""Values to generate per modality, and the limits on the number of rows."""
EVALUATION_FACTOR = 2
"""Factor for evaluated rows: a protocol's batch is part of its bank, and tiny batches cost more per row."""
BATCH_VALUES, MIN_BATCH = 2**19, 8
"""Values of one timed batch, and its minimum number of rows."""
FIT_STEPS = 3
"""Timed steps of a protocol's training, which has a minimum of steps even with few rows."""
StagesOf = Callable[[Plan, Store], Iterable[Stage]]


def shrink_plan(plan: Plan) -> Plan:
    """Return the plan on a few generated rows: one seed, one fold, and a few steps.

    It fetches and loads no published weights, and does not stop early.
    """
    values = sum(int(np.prod([side or RANDOM_SIDE for side in m.shape])) for m in plan.modalities.values())
    rows = int(np.clip(VALUES_PER_MODALITY // max(values, 1), MIN_ROWS, MAX_ROWS))
    batch = int(np.clip(BATCH_VALUES // max(values, 1), MIN_BATCH, min(plan.train.batch_size, rows)))

    def generate(part: Part, rows: int) -> Part:
        made = SyntheticDataset(part.dataset.modalities, part.dataset.target, rows, part.choice.spec.card.groups)
        return replace(part, dataset=made, fingerprint=made.fingerprint)

    train = replace(
        plan.train, epochs=1 if rows >= 2 * batch else 2, steps=0, eval_epochs=(), batch_size=batch, grad_accumulation=1,
        warmup_epochs=0.0,
        patience=0, min_epochs=0, devices=1, nodes=1, strategy="ddp", compile=False,
    )  # fmt: skip
    # a list of labels is measured as a share of its own, so that there are as many stages
    lists = plan.label_lists.get(plan.evaluate_parts[0].name, ())
    shares = (*plan.splits.label_fractions, *(1 - (place + 1) / 1024 for place in range(len(lists))))
    splits = SplitSettings(folds=plan.splits.folds, label_fractions=shares)
    return replace(
        plan, pretrain_parts=(generate(plan.pretrain_parts[0], rows),),
        evaluate_parts=(generate(plan.evaluate_parts[0], EVALUATION_FACTOR * rows),),
        method=plan.method.without_weights(),
        backbones={name: choice.without_weights() for name, choice in plan.backbones.items()},
        protocols=tuple(choice.without_weights() for choice in plan.protocols),
        train=train, splits=splits, label_lists={}, seeds=plan.seeds[:1], folds=(0,),
    )  # fmt: skip


class TimeLimit:
    """A time limit for measuring; `spent` does not include earlier imports."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._start = environment.stopwatch()

    @property
    def spent(self) -> float:
        return environment.stopwatch() - self._start

    @property
    def is_reached(self) -> bool:
        return self.spent >= self.seconds


def measure_plan(
    plan: Plan, families: Collection[str], stages_of: StagesOf, rates: Rates, limit: TimeLimit, problems: list[str]
) -> bool:
    """Time one stage of each of these families until the limit, with a small plan in place of the real one.

    Errors of components with generated rows are added to `problems`. Returns False if a component is permanently unavailable.
    """
    last_epoch = replace(
        plan, train=replace(plan.train, eval_epochs=())
    )  # not every protocol evaluates earlier epochs, which would shift the pairing
    wanted: dict[str, dict[str, Stage]] = {}
    for stage in stages_of(last_epoch, Store(root=Path(), prepared=Path())):
        wanted.setdefault(stage.kind, {}).setdefault(stage.shape, stage)
    with tempfile.TemporaryDirectory(prefix="sslbench-estimate-") as folder:
        store = Store(root=Path(folder), prepared=Path(folder) / "prepared")
        stages = {str(stage.folder): stage for stage in stages_of(shrink_plan(plan), store)}
        small_stages: dict[str, list[str]] = {}
        for path, stage in stages.items():
            small_stages.setdefault(stage.kind, []).append(path)
        real = {
            path: stage
            for kind, paths in small_stages.items()
            for path, stage in zip(paths, wanted.get(kind, {}).values(), strict=False)
        }
        ordered = sorted(real.items(), key=lambda item: _label_share(item[1]))  # the largest fraction of labels last
        first = {stage.family: path for path, stage in ordered if stage.family in families}
        for path in _list_needed(stages, list(first.values())):
            if limit.is_reached:
                return True
            try:
                per_row = _time_stage(stages[path])
            except Exception as error:  # a problem of a component does not reject the plan
                stage = stages[path]
                problems.append(f"{plan.method.name}: {stage.kind}: {type(error).__name__}: {error}")
                return not (isinstance(error, Unavailable) and error.lasting)
            if path in real:
                rates.add(real[path], per_row * max(real[path].rows, 1), real=False)
    return True


def _label_share(stage: Stage) -> float:
    """Return the share of the labels that a stage uses; 0 for a list, whose share is not known."""
    share = stage.facts.get("fraction")
    return 0.0 if isinstance(share, str) else share or 1.0


def _list_needed(stages: Mapping[str, Stage], requested: Collection[str]) -> Sequence[str]:
    """List the requested stages and their inputs, in an order in which they can be made."""
    needed = set(requested)
    for path in reversed(list(stages)):
        if path in needed:
            needed.update(map(str, stages[path].waits_for))
    return [path for path in stages if path in needed]


def _time_stage(stage: Stage) -> float:
    """Make a stage and return seconds per row, without the first step of a pretraining.

    A protocol's training is stopped after its first steps and extrapolated to all of them.
    """
    watch = _Watch()
    stage.folder.mkdir(parents=True)
    start = environment.busy_stopwatch()
    try:
        stage.make(stage.folder, watch)
        seconds = _elapsed(start, environment.busy_stopwatch())
    except _EnoughSteps as stopped:
        seconds = stopped.seconds
    if stage.kind == "pretrain" and len(watch.times) > 1:
        return _elapsed(watch.times[0], watch.times[-1]) / (stage.rows * (len(watch.times) - 1) / len(watch.times))
    return seconds / max(stage.rows, 1)


def _elapsed(first: tuple[float, float], last: tuple[float, float]) -> float:
    """Return the seconds between two readings, without time in which other programs used the processors."""
    return min(last[0] - first[0], last[1] - first[1])


class _EnoughSteps(Exception):
    """Raised when enough steps of a protocol's training were timed; `seconds` is the estimate for all of them."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a training of {seconds:.1f} s")
        self.seconds = seconds


class _Watch:
    """Records when steps end, and stops a protocol's training after its first steps."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def report_count(self, done: int, total: int) -> None:
        """Ignore progress within a stage."""

    def report_step(self, moment: TrainingStep) -> None:
        self.times.append(environment.busy_stopwatch())

    def report_named_step(self, name: str, moment: TrainingStep) -> None:
        """Record a step of a protocol's training. Raises _EnoughSteps after FIT_STEPS steps."""
        self.times.append(environment.busy_stopwatch())
        if len(self.times) > FIT_STEPS:
            per_step = _elapsed(self.times[0], self.times[-1]) / FIT_STEPS
            raise _EnoughSteps(per_step * moment.epochs * moment.steps)
