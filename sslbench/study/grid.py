"""Make the requests and plans of a study's grid, and collect the problems of all points."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from sslbench.api.errors import DataMissing, RequestError
from sslbench.api.specs import Setting
from sslbench.catalog.facts import Catalog
from sslbench.config.baselines import plan_with_baselines
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, Plan
from sslbench.config.request import Tree, read_request
from sslbench.config.run_names import run_id
from sslbench.study.definition import Study

Labels = Mapping[str, Setting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of the grid: its label on every axis, and its request."""

    labels: Labels
    tree: Tree

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.labels.items()) or "the only point"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyRow:
    """One run of a study and its points; `is_secondary` marks runs that no point requested, such as baselines."""

    name: str
    plan: Plan
    points: tuple[Labels, ...]
    is_secondary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """All rows of a study, and the missing datasets that prevented planning."""

    rows: tuple[StudyRow, ...]
    missing: tuple[str, ...]
    placeholders: tuple[str, ...]


def make_points(study: Study, overrides: Sequence[str]) -> list[Point]:
    """Make the product of the axes, each point over the base and under `key=value` overrides; null removes a setting."""
    points = []
    for labels in itertools.product(*(axis.values for axis in study.axes)):
        settings: dict[str, Any] = {}
        for axis, label in zip(study.axes, labels, strict=True):
            settings |= axis.values[label]
        removed = {path for path in study.base if path in settings and settings[path] is None}
        merged = {path: value for path, value in {**study.base, **settings}.items() if path not in removed}
        tree = read_request(None, nest(merged), overrides)
        named = {axis.name: label for axis, label in zip(study.axes, labels, strict=True)}
        points.append(Point(labels=named, tree=tree))
    return points


def make_grid(
    points: Sequence[Point], catalog: Catalog, datasets: DatasetCache, machine: Machine, log: Callable[[str], None]
) -> Grid:
    """Plan every point, with equal runs once.

    Raises RequestError with the problems of all points. Missing datasets are listed unless `datasets` has a placeholder.
    """
    problems: dict[str, list[str]] = defaultdict(list)
    missing: dict[str, None] = {}
    plans: dict[str, Plan] = {}
    answers: dict[str, list[Labels]] = defaultdict(list)
    requested: set[str] = set()
    folders: dict[str, Path | None] = {}
    logged: set[str] = set()

    def log_once(text: str) -> None:
        if text not in logged:
            logged.add(text)
            log(text)

    for point in points:
        try:
            found = plan_with_baselines(point.tree, catalog, datasets, machine, log_once)
        except RequestError as error:
            for problem in error.problems:
                problems[problem].append(str(point))
            continue
        except DataMissing as error:
            missing.setdefault(str(error))
            continue
        requested.add(run_id(found[0]))
        for part in found[0].evaluate_parts:
            folder = folders.setdefault(part.name, getattr(part.choice.config, "root", None))
            if folder != getattr(part.choice.config, "root", None):
                problem = f"data.title: {part.name!r} names different folders at the points of this study"
                problems[f"{problem}. Give every folder its own data.title"].append(str(point))
        for plan in found:
            name = run_id(plan)
            plans.setdefault(name, plan)
            answers[name].append(point.labels)
    if problems:
        raise RequestError([_add_place(problem, places, len(points)) for problem, places in problems.items()])
    ordered = sorted(plans, key=lambda name: plans[name].spec.baseline)
    rows = tuple(
        StudyRow(name=name, plan=plans[name], points=tuple(answers[name]), is_secondary=name not in requested)
        for name in ordered
    )
    return Grid(rows=rows, missing=tuple(missing), placeholders=tuple(dict.fromkeys(datasets.placeholders)))


def _add_place(problem: str, places: Sequence[str], total: int) -> str:
    """Add the points of a problem to it, unless it concerns all points."""
    if len(places) == total:
        return problem
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"at {places[0]}{more}: {problem}"


def nest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Convert dotted paths to a tree."""
    tree = OmegaConf.create({})
    for path, value in settings.items():
        OmegaConf.update(tree, str(path), value, merge=True)
    return {str(name): value for name, value in OmegaConf.to_container(tree).items()}  # type: ignore[union-attr]
