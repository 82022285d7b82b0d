"""From a study to requests and plans: the grid, each point validated, every problem of every point at once."""

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
from sslbench.config.keys import run_id
from sslbench.config.plan import Machine, Plan
from sslbench.config.request import Tree, read_request
from sslbench.study.definition import Study

Labels = Mapping[str, Setting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place of the grid: its label on every axis, and the request it stands for."""

    labels: Labels
    tree: Tree

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.labels.items()) or "the only point"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyRow:
    """One run of a study, and the points that it answers; those `beside` are asked for by none, such as baselines."""

    name: str
    plan: Plan
    points: tuple[Labels, ...]
    is_secondary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """All rows of a study, and what could not be planned because its data is not here."""

    rows: tuple[StudyRow, ...]
    missing: tuple[str, ...]
    placeholders: tuple[str, ...]


def make_points(study: Study, overrides: Sequence[str]) -> list[Point]:
    """The product of the axes, each point over the base, below `key=value` overrides; a null takes away what is there."""
    points = []
    for labels in itertools.product(*(axis.values for axis in study.axes)):
        settings: dict[str, Any] = {}
        for axis, label in zip(study.axes, labels, strict=True):
            settings |= axis.values[label]
        away = {path for path in study.base if path in settings and settings[path] is None}
        laid = {path: value for path, value in {**study.base, **settings}.items() if path not in away}
        tree = read_request(None, nest(laid), overrides)
        named = {axis.name: label for axis, label in zip(study.axes, labels, strict=True)}
        points.append(Point(labels=named, tree=tree))
    return points


def make_grid(
    points: Sequence[Point], catalog: Catalog, shelf: DatasetCache, machine: Machine, say: Callable[[str], None]
) -> Grid:
    """Plan every point, equal runs once.

    Raises RequestError with every problem of every point; missing data is told, unless the shelf announces it.
    """
    problems: dict[str, list[str]] = defaultdict(list)
    missing: dict[str, None] = {}
    plans: dict[str, Plan] = {}
    answers: dict[str, list[Labels]] = defaultdict(list)
    asked: set[str] = set()
    folders: dict[str, Path | None] = {}
    said: set[str] = set()

    def say_once(text: str) -> None:
        if text not in said:
            said.add(text)
            say(text)

    for point in points:
        try:
            found = plan_with_baselines(point.tree, catalog, shelf, machine, say_once)
        except RequestError as error:
            for problem in error.problems:
                problems[problem].append(str(point))
            continue
        except DataMissing as error:
            missing.setdefault(str(error))
            continue
        asked.add(run_id(found[0]))
        for part in found[0].evaluate_parts:
            folder = folders.setdefault(part.name, getattr(part.choice.config, "root", None))
            if folder != getattr(part.choice.config, "root", None):
                told = f"data.title: {part.name!r} is another folder at other points of this study"
                problems[f"{told}. Set data.title, for tables tell data apart by its name"].append(str(point))
        for plan in found:
            name = run_id(plan)
            plans.setdefault(name, plan)
            answers[name].append(point.labels)
    if problems:
        raise RequestError([_add_place(problem, places, len(points)) for problem, places in problems.items()])
    ordered = sorted(plans, key=lambda name: plans[name].spec.baseline)
    rows = tuple(
        StudyRow(name=name, plan=plans[name], points=tuple(answers[name]), is_secondary=name not in asked)
        for name in ordered
    )
    return Grid(rows=rows, missing=tuple(missing), placeholders=tuple(dict.fromkeys(shelf.placeholders)))


def _add_place(problem: str, places: Sequence[str], of: int) -> str:
    """A problem with where it was met, unless that is everywhere."""
    if len(places) == of:
        return problem
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"at {places[0]}{more}: {problem}"


def nest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted paths as a tree."""
    tree = OmegaConf.create({})
    for path, value in settings.items():
        OmegaConf.update(tree, str(path), value, merge=True)
    return {str(name): value for name, value in OmegaConf.to_container(tree).items()}  # type: ignore[union-attr]
