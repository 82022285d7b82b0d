"""Estimate the duration of stages from known rates of this machine, else by timing a few steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from sslbench.config.plan import Plan
from sslbench.stages.graph import Kind, Stage
from sslbench.stages.stage import is_finished, load_failure
from sslbench.study.measure import StagesOf, TimeLimit, measure_plan
from sslbench.study.rates import FORWARD, Rates, open_rates

KINDS: tuple[str, ...] = get_args(Kind)
PLAN_SECONDS, RUN_SECONDS = 5.0, 3.0
"""Time limits for measuring before a plan is printed, and before a run starts."""
MAX_SHARE = 0.05
"""Measuring stops after this share of the estimated duration, if that is before its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """Distinct stages by kind, the number of finished ones, and the seconds of the others in sequence.

    Stages that failed before, and those that need them, are `failed`, or `unavailable` if the failure is lasting; they cost
    nothing. `guessed` counts stages estimated from similar ones, `unknown` those without similar ones. `unmeasured` lists
    problems of timing.
    """

    stages: Mapping[str, int]
    done: Mapping[str, int]
    failed: Mapping[str, int]
    unavailable: Mapping[str, int]
    seconds: Mapping[str, float]
    by_method: Mapping[str, float]
    guessed: int
    unknown: int
    unmeasured: tuple[str, ...]

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def estimate(
    planned: Sequence[tuple[Plan, Sequence[Stage]]], stages_of: StagesOf, limit: float, rates: Rates | None = None
) -> CostEstimate:
    """Count the distinct stages of plans, and estimate the duration of unfinished ones.

    Costs of finished stages are used first, then earlier measurements of this machine. Otherwise steps are timed for at most
    `limit` seconds (0: none), the plan with most work first.
    """
    rates = rates or open_rates()
    stages: dict[Path, Stage] = {}
    owner: dict[Path, Plan] = {}
    for plan, own in planned:
        for stage in own:
            stages.setdefault(stage.folder, stage)
            owner.setdefault(stage.folder, plan)
    rates.learn(stages.values())
    failed = find_failed(stages.values())
    left = [stage for stage in stages.values() if not is_finished(stage.folder) and stage.folder not in failed]
    problems, unavailable = _measure(left, owner, stages_of, rates, limit) if limit else ([], set())
    failed |= {s.folder: True for s in left if s.kind != "prepare" and id(owner[s.folder]) in unavailable}
    left = [stage for stage in left if stage.folder not in failed]
    seconds = dict.fromkeys(KINDS, 0.0)
    by_method: dict[str, float] = {}
    for stage in left:
        took = rates.estimate(stage) or 0.0
        seconds[stage.kind] += took
        name = owner[stage.folder].method.name if stage.kind != "prepare" else "prepare"
        by_method[name] = by_method.get(name, 0.0) + took
    return CostEstimate(
        stages={kind: sum(stage.kind == kind for stage in stages.values()) for kind in KINDS},
        done={kind: sum(is_finished(s.folder) for s in stages.values() if s.kind == kind) for kind in KINDS},
        failed=_count_by_kind(stages[path] for path, lasting in failed.items() if not lasting),
        unavailable=_count_by_kind(stages[path] for path, lasting in failed.items() if lasting),
        seconds=seconds, by_method=by_method,
        guessed=sum(stage.shape not in rates.known and rates.estimate(stage) is not None for stage in left),
        unknown=sum(rates.estimate(stage) is None for stage in left),
        unmeasured=tuple(dict.fromkeys(problems)),
    )  # fmt: skip


def _count_by_kind(stages: Iterable[Stage]) -> dict[str, int]:
    counts = Counter(str(stage.kind) for stage in stages)
    return {kind: counts[kind] for kind in KINDS}


def find_failed(stages: Iterable[Stage]) -> dict[Path, bool]:
    """Find the stages that failed before or need a failed one, and whether the failure is lasting.

    `stages` must be in an order in which they can be made.
    """
    failed: dict[Path, bool] = {}
    for stage in stages:
        if is_finished(stage.folder):
            continue
        failure = load_failure(stage.folder)
        inherited = [failed[path] for path in stage.waits_for if path in failed]
        if failure is not None or inherited:
            failed[stage.folder] = any(inherited) or (failure is not None and failure.lasting)
    return failed


def _measure(
    left: Sequence[Stage], owner: Mapping[Path, Plan], stages_of: StagesOf, rates: Rates, limit: float
) -> tuple[list[str], set[int]]:
    """Time a stage of every family with unknown cost, and save the rates.

    Returns what could not be measured, and the ids of plans with a permanently unavailable component.
    """
    problems: list[str] = []
    unavailable: set[int] = set()
    tried: set[int] = set()
    watch: TimeLimit | None = None
    while plan := _next(left, owner, rates, tried):
        tried.add(id(plan))
        if watch is None:
            import sslbench.evaluation.stage
            import sslbench.train.pretrain  # noqa: F401 - imported now, so that a step is not charged for it

            watch = TimeLimit(limit)
        known = {rate.family for rate in rates.known.values()}
        families = {s.family for s in left if owner[s.folder] is plan} - known
        if not measure_plan(plan, families, stages_of, rates, watch, problems):
            unavailable.add(id(plan))
        about = sum(rates.estimate(stage) or 0.0 for stage in left)
        if watch.is_reached or watch.spent > MAX_SHARE * about > 0:
            break
    if watch is not None:
        rates.save()
    return problems, unavailable


def _next(left: Sequence[Stage], owner: Mapping[Path, Plan], rates: Rates, tried: set[int]) -> Plan | None:
    """Choose the plan with most work of unknown cost; None if all costs are known."""
    known = {rate.family for rate in rates.known.values()}
    work: dict[int, float] = {}
    plans: dict[int, Plan] = {}
    for stage in left:
        plan = owner[stage.folder]
        if stage.kind != "prepare" and stage.family not in known and id(plan) not in tried:
            passes = FORWARD[stage.kind] if stage.passes_encoder else 0.01
            work[id(plan)] = work.get(id(plan), 0.0) + passes * stage.rows
            plans[id(plan)] = plan
    return plans[max(work, key=lambda key: work[key])] if work else None
