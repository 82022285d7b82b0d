"""Make a suite from a study, and reproduce submissions: the leaderboard's tasks that need data or training."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sslbench import environment
from sslbench.api.errors import RequestError, SslbenchError
from sslbench.api.files import write_atomically
from sslbench.api.metrics import Derivation
from sslbench.api.suggestions import did_you_mean
from sslbench.api.targets import KINDS
from sslbench.app.data import prepared_folder
from sslbench.app.run import detect_machine, run_plans
from sslbench.app.study import OpenedStudy
from sslbench.catalog.facts import Catalog
from sslbench.catalog.metrics import MetricTable, installed_metrics
from sslbench.config.baselines import plan_with_baselines
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Plan
from sslbench.config.request import read_request
from sslbench.convert import to_plain
from sslbench.data.label_subsets import declared_settings
from sslbench.data.splits import divide
from sslbench.data.table import Prepared, open_prepared
from sslbench.leaderboard.submission.bundle import RECORD, VERIFIED, Bundle, Verification
from sslbench.leaderboard.submission.publication import machine_mark
from sslbench.leaderboard.submission.recompute import place_of
from sslbench.leaderboard.submission.suite import Suite, SuiteData, SuiteProtocol, TestSplit, make_test_split
from sslbench.progress import Display
from sslbench.results.record import Record
from sslbench.results.store import Store


def make_suite(opened: OpenedStudy, display: Display) -> Suite:
    """Return the suite of a study; raises RequestError if its runs differ in protocols, seeds, folds or data."""
    problems = list(opened.grid.missing)
    study, metrics = opened.study, opened.metrics
    if study.ranked_by and study.ranked_by not in metrics:
        problems.append(f"ranked_by={study.ranked_by}: not an installed metric{did_you_mean(study.ranked_by, metrics)}")
    suite = Suite(
        name=study.name, summary=study.summary, study=study.name, scale=study.scale, ranked_by=study.ranked_by
    )
    datasets: dict[str, SuiteData] = {}
    protocols: dict[str, SuiteProtocol] = {}
    seeds, folds, pools = set[tuple[int, ...]](), set[tuple[int, ...]](), set[str]()
    baselines: dict[str, None] = {}
    for row in opened.grid.rows:
        plan = row.plan
        seeds.add(tuple(plan.seeds))
        folds.add(tuple(plan.folds))
        pools.add(plan.pool)
        baselines |= {plan.method.name: None} if plan.spec.baseline else {}
        _add_consistent(protocols, _protocols(plan), "protocol", problems)
        _add_consistent(datasets, _datasets(plan, display, datasets), "dataset", problems)
    shared: tuple[tuple[str, set[Any]], ...] = (("seeds", seeds), ("folds", folds), ("pools", pools))
    for name, values in shared:
        if len(values) > 1:
            problems.append(
                f"its runs have different {name}: {', '.join(map(str, sorted(values)))}. Use the same in all"
            )
    if problems or not opened.grid.rows:
        problems = problems or ["it has no runs"]
        raise RequestError([f"study {opened.study.name} cannot become a suite: {problem}" for problem in problems])
    sources = {KINDS[data.target].source for data in datasets.values()}
    columns = [
        name for name in metrics if any(_has_column(metrics, sources, one, protocols[one], name) for one in protocols)
    ]
    return replace(
        suite, metrics=tuple(columns), seeds=seeds.pop(), folds=folds.pop(), pool=pools.pop(),
        baselines=tuple(sorted(baselines)),
        datasets=datasets, protocols=protocols,
        varied=declared_settings(choice.spec for row in opened.grid.rows for choice in row.plan.protocols),
    )  # fmt: skip


def _has_column(
    metrics: MetricTable, sources: Container[Derivation], name: str, protocol: SuiteProtocol, metric: str
) -> bool:
    """Return whether a protocol has a metric, and its tables show it."""
    is_predicted = metrics[metric].derived_from in sources
    return metrics.is_shown(name, metric) and (is_predicted or metric in protocol.metrics)


def _add_consistent(known: dict[str, Any], found: Mapping[str, Any], kind: str, problems: list[str]) -> None:
    for name, value in found.items():
        if known.setdefault(name, value) != value:
            problem = f"its runs use {kind} {name} with different settings. Use the same settings in all"
            problems += [problem] if problem not in problems else []


def _protocols(plan: Plan) -> dict[str, SuiteProtocol]:
    return {
        choice.name: SuiteProtocol(
            version=choice.spec.version, settings=to_plain(choice.config),
            metrics={metric.name: (float(metric.low), float(metric.high)) for metric in choice.spec.own_metrics},
        )
        for choice in plan.protocols
    }  # fmt: skip


def _datasets(plan: Plan, display: Display, known: Mapping[str, SuiteData]) -> dict[str, SuiteData]:
    """Return every evaluation part with its test samples; those in `known` with the same fingerprint are reused."""
    found = {}
    for part in plan.evaluate_parts:
        if part.name in known and known[part.name].fingerprint == part.fingerprint():
            found[part.name] = known[part.name]
            continue
        table = open_prepared(prepared_folder(part, plan.prepare, plan.canvas, display), part.name)
        found[part.name] = SuiteData(
            version=part.choice.spec.version, fingerprint=part.fingerprint(), target=table.target.kind,
            classes=tuple(table.target.names),
            tests={str(fold): _test(plan, table, fold) for fold in plan.folds},
        )  # fmt: skip
    return found


def _test(plan: Plan, table: Prepared, fold: int) -> TestSplit:
    query = divide(table.labels, table.columns, plan.splits, fold, table.groups).query
    ids = table.columns.get("id", np.arange(len(table)).astype(str))
    return make_test_split(ids[query], table.labels[query])


def verify(
    bundle: Bundle, overrides: Sequence[str], catalog: Catalog, out: Path, by: str, display: Display
) -> Verification:
    """Run a submission's request and compare the results; raises RequestError on the machine of the submission.

    `overrides` set the folders of its data, as bundles contain no paths.
    """
    machine = machine_mark(environment.host_name())
    if machine == bundle.record.host.get("node"):
        raise RequestError(
            [f"{bundle.name}: was submitted from this machine. Someone else must reproduce it on another machine"]
        )
    tree = read_request(None, {**to_plain(bundle.record.request), "baselines": "none"}, overrides)
    plan = plan_with_baselines(tree, catalog, DatasetCache(environment.places()), detect_machine(), display.log)[0]
    record = run_plans([plan], Store(root=out), catalog, display).records[0]
    if record.status not in ("done", "collapsed"):
        raise SslbenchError(f"{bundle.name}: the run is {record.status}: {record.reason}")
    furthest, where = largest_difference(bundle.record, record, installed_metrics(catalog))
    return Verification(
        by=by, on=environment.today(), machine=machine, record=bundle.manifest.files[RECORD], furthest=furthest,
        where=where, versions=dict(record.versions),
    )  # fmt: skip


def largest_difference(first: Record, second: Record, metrics: MetricTable) -> tuple[float, str]:
    """Return the largest difference of two records' main scores and accuracies, and where it is.

    Raises SslbenchError without common ones.
    """
    compared = {metric.name for metric in (*metrics.accuracies, *metrics.predicted_mains)}
    values = {(place_of(s), s.metric): s.value for s in second.scores if s.epoch is None and s.chosen_on != "query"}
    gaps = {
        (place_of(s), s.metric): abs(s.value - values[place_of(s), s.metric])
        for s in first.scores
        if s.metric in compared and s.chosen_on != "query" and (place_of(s), s.metric) in values
    }
    if not gaps:
        raise SslbenchError("the two runs have no score of predictions in common")
    (place, metric), gap = max(gaps.items(), key=lambda item: item[1])
    return round(gap, 6), f"{metric} of {place[1]} on {place[0]}, seed {place[2]}, fold {place[3]}"


def save_verification(bundle: Bundle, verification: Verification) -> Path:
    """Write a verification into the bundle's folder; it replaces an earlier one by the same person."""
    kept = [one for one in bundle.verified if one.by != verification.by]
    path = bundle.path / VERIFIED
    write_atomically(path, (json.dumps(to_plain([*kept, verification]), indent=1, sort_keys=True) + "\n").encode())
    return path
