"""Open and divide datasets, and plan runs and studies, as the commands do, for tests that train nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sslbench.api.errors import DataMissing, RequestError
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.datasets import DatasetCache, Part, open_parts
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.request import read_request
from sslbench.convert import convert
from sslbench.data.splits import Division, SplitSettings, divide
from sslbench.data.summary import describe_summary, summarize_data
from sslbench.environment import places
from sslbench.pipeline.stages import make_stages
from sslbench.results.store import Store
from sslbench.study.definition import read_study
from sslbench.study.grid import Grid, make_grid, make_points

MACHINE = Machine(threads=1, precision="float32")
"""Facts of a machine that are the same in every test."""
STAGE_KINDS = ("prepare", "pretrain", "extract", "evaluate")
"""Kinds of stages, in the order in which they are computed."""
SMALL_RUN: Mapping[str, Any] = {
    "train.epochs": 2,
    "train.batch_size": 64,
    "seeds": [0],
    "protocol_settings.finetune.epochs": 1,
    "protocol_settings.finetune.min_steps": 0,
    "protocol_settings.linear.epochs": 2,
    "protocol_settings.linear.min_steps": 0,
    "protocol_settings.clustering.restarts": 1,
    "protocol_settings.clustering.seeds": 1,
    "protocol_settings.clustering.permutations": 2,
}
"""Settings of a run whose training and protocols take seconds on a small dataset."""


def open_dataset(reference: str, settings: Mapping[str, Any] = MappingProxyType({})) -> list[Part]:
    """Open all parts of an installed dataset that `reference` names, such as `name` or `name/part`.

    Raises RequestError for settings that are wrong, and DataMissing for data that is not found.
    """
    found = open_parts(discover(installed_entries()), reference, settings, DatasetCache(places()))
    if found.problems:
        raise RequestError(found.problems)
    if found.missing:
        raise DataMissing("; ".join(found.missing))
    return found.parts


def describe_part(part: Part, splits: Mapping[str, Any] = MappingProxyType({})) -> list[str]:
    """Return the lines that commands print about a part: counts, files, notes, and identical samples.

    Raises RequestError for wrong `splits` settings.
    """
    groups = part.choice.spec.card.groups
    return list(describe_summary(summarize_data(part.name, part.dataset, _read_splits(splits), groups)))


def divide_part(part: Part, splits: Mapping[str, Any] = MappingProxyType({}), fold: int = 0) -> Division:
    """Divide the rows of a part into training, validation and test rows, as a run with these `splits` settings does.

    Raises RequestError for wrong settings, and for data that cannot be divided in this way.
    """
    groups = part.choice.spec.card.groups
    return divide(part.dataset.labels, part.dataset.columns, _read_splits(splits), fold, groups)


def _read_splits(splits: Mapping[str, Any]) -> SplitSettings:
    problems: list[str] = []
    settings: SplitSettings = convert(splits, SplitSettings, "splits", problems)
    if problems:
        raise RequestError(problems)
    return settings


def plan_run(method: str, dataset: str, *overrides: str) -> Plan:
    """Plan a run of installed components with `setting=value` overrides. Raises RequestError for impossible requests."""
    tree = read_request(None, {"method": {"name": method}, "data": {"name": dataset}}, list(overrides))
    return make_plan(tree, discover(installed_entries()), DatasetCache(places()), MACHINE)


def stage_keys(plan: Plan) -> dict[str, frozenset[str]]:
    """Return the keys of a plan's stages by kind (`STAGE_KINDS`). Stages with equal keys are computed once."""
    stages = list(make_stages(plan, Store(root=Path("out"), prepared=Path("prepared"))))
    return {kind: frozenset(stage.key for stage in stages if stage.kind == kind) for kind in STAGE_KINDS}


def plan_study(path: Path, scale: str) -> Grid:
    """Plan every run of a study's file at a scale; data that is not found is replaced by placeholders.

    Raises RequestError with the problems of all points.
    """
    points = make_points(read_study(path, scale), [])
    datasets = DatasetCache(places(), use_placeholders=True)
    return make_grid(points, discover(installed_entries()), datasets, MACHINE, lambda line: None)
