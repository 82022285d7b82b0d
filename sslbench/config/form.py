"""The form of a request: which keys hold a name, a list, a number or settings of their own. It knows no setting below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sslbench.config.convert import convert

Settings = Mapping[str, Any]
Several = Mapping[str, Mapping[str, Any] | None]
COMPONENTS = ("method", "backbone", "augmentation", "data")
HINTS = {"protocols": "which protocols run is measure=NAME,NAME"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Everything that a request may hold, by the type it is written in; what is null is not asked for."""

    method: Settings | None = None
    backbone: Settings | None = None
    augmentation: Settings | None = None
    data: Settings | None = None
    train: Settings | None = None
    view: Settings | None = None
    prepare: Settings | None = None
    splits: Settings | None = None
    pretrain: Settings | None = None
    recipe: str | None = None
    backbones: Mapping[str, str | Mapping[str, Any] | None] | None = None
    modalities: Several | None = None
    protocols: Several | None = None
    measure: str | tuple[str, ...] | None = None
    baselines: str | tuple[str, ...] | None = None
    evaluate: str | None = None
    seeds: Any = None
    folds: Any = None
    threads: int | None = None


KEYS = tuple(one.name for one in fields(Form))


def malformed(tree: Mapping[str, Any]) -> list[str]:
    """Say what of a request is not in its form, one sentence each."""
    problems: list[str] = []
    convert(tree, Form, "", problems)
    for component in COMPONENTS:
        section = tree.get(component)
        name = section.get("name") if isinstance(section, Mapping) else None
        if name is not None and not isinstance(name, str):
            problems.append(f"{component}.name: expected text, got {name!r:.60}")
    hinted = {f"{key}: ": hint for key, hint in HINTS.items()}
    return [
        problem + next((f"; {h}" for start, h in hinted.items() if problem.startswith(start)), "")
        for problem in problems
    ]


def without_nothing(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is null: keys, and names of components; a section that is null is an empty one."""
    kept = {str(name): value for name, value in tree.items() if value is not None}
    for key in COMPONENTS:
        if key in kept:
            kept[key] = {name: value for name, value in kept[key].items() if name != "name" or value is not None}
    for key in ("backbones", "modalities", "protocols"):
        if key in kept:
            kept[key] = {name: {} if value is None else value for name, value in kept[key].items()}
    return kept
