"""Name the folder of a run: two runs with different numbers, data or settings that matter have different names."""

from __future__ import annotations

from typing import Any

from sslbench.config.plan import Plan
from sslbench.config.plan_stages import PlannedStages, split_plan
from sslbench.data.key_form import digest, to_key_form


def run_id(plan: Plan) -> str:
    """Return the name of a run's folder: method, backbone and data, and a hash of everything that its record depends on."""
    return name_run(plan, split_plan(plan))


def name_run(plan: Plan, stages: PlannedStages) -> str:
    """Return the name of the run of these stages.

    The hash covers the stages of the first training only: those of the others differ by seed and fold, which it includes.
    """
    first = stages.trainings[0]
    keys = [first.pretrain.key]
    for evaluations in first.evaluations:
        keys += [evaluations.extract.key, *(protocol.key for protocol in evaluations.protocols)]
    parts = ([part.name for part in plan.evaluate_parts], [part.name for part in plan.pretrain_parts])
    splits = to_key_form(plan.splits)
    content: list[Any] = [*parts, plan.pool, plan.recipe, plan.seeds, plan.folds, splits, plan.prepare.unreadable]
    backbone = "+".join(c.name for c in plan.backbones.values()) or "own"
    data = "+".join(dict.fromkeys(part.choice.title for part in plan.evaluate_parts))
    readable = "-".join((plan.method.name, backbone, data)).replace("/", "_").replace(" ", "_")
    return f"{readable[:80]}-{digest(keys, content)[:10]}"
