"""Plan the rows of a request's table: the requested method and its baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sslbench.api.errors import RequestError
from sslbench.catalog.facts import Catalog
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.request import Tree

SHARED_SECTIONS = (
    "data", "evaluate", "backbone", "backbones", "modalities", "view", "prepare", "splits", "pretrain", "protocol_settings",
    "protocols", "threads",
)  # fmt: skip
"""Sections of a request that a baseline shares with the method, so that their rows can be compared."""


def plan_with_baselines(
    tree: Tree, catalog: Catalog, datasets: DatasetCache, machine: Machine, log: Callable[[str], None]
) -> list[Plan]:
    """Plan the method and its baselines; a baseline that does not fit is left out, which `log` reports."""
    first = make_plan(tree, catalog, datasets, machine)
    plans = [first]
    for name in choose_baselines(first, catalog):
        try:
            plans.append(make_plan(baseline_tree(first, name), catalog, datasets, machine))
        except RequestError as error:
            log(f"baseline {name!r} left out: {error.problems[0]}")
    return plans


def baseline_tree(plan: Plan, name: str) -> Tree:
    """Return the request of a baseline for a plan: its own recipe, and all shared sections of the plan's request."""
    tree = {key: plan.request[key] for key in SHARED_SECTIONS if key in plan.request}
    train: dict[str, Any] = {
        "epochs": plan.train.epochs,
        "batch_size": plan.train.batch_size,
        "precision": plan.train.precision,
    }
    train |= {name: getattr(plan.train, name) for name in ("steps", "checkpoint_seconds", "devices", "nodes")}
    return {**tree, "method": {"name": name}, "seeds": list(plan.seeds), "folds": list(plan.folds), "train": train}


def choose_baselines(plan: Plan, catalog: Catalog) -> Sequence[str]:
    """Return the names of the baselines of a request: all installed ones unless `baselines` lists others.

    Raises RequestError for a name that is not installed.
    """
    requested = plan.request.get("baselines")
    if requested is None:
        requested = [c.name for c in catalog.all("method") if c.spec.baseline]
    if isinstance(requested, str):
        requested = [] if requested == "none" else requested.split(",")
    found = [catalog.find("method", name) for name in requested]
    if unknown := [f"baselines: {answer}" for answer in found if isinstance(answer, str)]:
        raise RequestError(unknown)
    return [name for name in requested if name != plan.method.component.name]
