"""Collect the installed metrics into one table, from which every part of the harness reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from sslbench.api.errors import RequestError
from sslbench.api.implementations import is_implementation_name
from sslbench.api.metrics import Derivation, Metric
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.facts import Catalog

CORE = "sslbench"
"""The distribution whose metrics come first."""
VALIDATION = "validation_"
"""Start of the name of a metric that was computed on validation samples."""
SOURCES = tuple(Derivation)
PREDICTIONS = (Derivation.CONFUSION, Derivation.RANKED_SCORES, Derivation.LABELS, Derivation.VALUES)
"""Sources that are answers to test samples."""


@dataclass(frozen=True, slots=True, eq=False)
class MetricTable(Mapping[str, Metric]):
    """Metrics by name, in the order of columns; `shown_by` holds the names that protocols show in addition."""

    metrics: Mapping[str, Metric]
    shown_by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    shown: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def find(self, name: str) -> Metric:
        """Return a metric; one that is not installed has no range and its name as label."""
        if name in self.metrics:
            return self.metrics[name]
        base = name.removeprefix(VALIDATION)
        if base != name and base in self.metrics:
            known = self.metrics[base]
            label = f"validation {known.label or known.name.replace('_', ' ')}"
            return replace(known, name=name, label=label, is_shown=False, is_main=False, compute=None, influence=None)
        return Metric(name=name, low=-math.inf, high=math.inf)

    def is_known(self, name: str) -> bool:
        """Return whether a metric, or the metric of a number on validation samples, is installed."""
        return name in self.metrics or name.removeprefix(VALIDATION) in self.metrics

    def find_renamed(self, name: str) -> str:
        """Return the name that a metric has now, or '' if `name` is not an old one."""
        return next((one.name for one in self.metrics.values() if name in one.old_names), "")

    def title(self, name: str) -> str:
        """Return the head of a metric's column."""
        return self.find(name).title

    def digits(self, name: str, value: float = 0.0) -> int:
        """Return the decimal places of a metric in tables; for an unknown one, those for four digits or so of a value."""
        return self.find(name).digits if self.is_known(name) or abs(value) < 10 else 1

    def is_shown(self, protocol: str, name: str) -> bool:
        """Return whether tables that name no metric show it under a protocol; a metric that is not installed is shown."""
        is_named = name in self.shown or name in self.shown_by.get(protocol, ())
        return is_named or (self.find(name).is_shown if self.is_known(name) else not self.find_renamed(name))

    def showing(self, names: Sequence[str]) -> MetricTable:
        """Return the table that shows further metrics under every protocol; raises RequestError for unknown names."""
        if unknown := [name for name in names if name not in self.metrics]:
            new = {name: self.find_renamed(name) for name in unknown}
            missing = {name: f": not installed{did_you_mean(name, self.metrics)}" for name in unknown}
            raise RequestError([f"metric {n!r}{f' is now {new[n]!r}' if new[n] else missing[n]}" for n in unknown])
        return replace(self, shown=self.shown | {*names})

    def place(self, name: str) -> tuple[int, str]:
        """Return the sort key of a column: installed metrics in their order, then others by name."""
        return (list(self.metrics).index(name), "") if name in self.metrics else (len(self.metrics), name)

    def derived(self, source: Derivation) -> tuple[Metric, ...]:
        """Return the metrics that the harness computes from a source."""
        return tuple(one for one in self.metrics.values() if one.derived_from is source and one.is_derived)

    def main(self, source: Derivation) -> Metric | None:
        """Return the metric that orders rows with a source."""
        own = (one for one in self.metrics.values() if one.derived_from is source and one.is_main)
        return next(own, None)

    @property
    def mains(self) -> tuple[Metric, ...]:
        """Return the metrics that order rows, one for each source that has one."""
        return tuple(main for source in SOURCES if (main := self.main(source)) is not None)

    @property
    def predicted_mains(self) -> tuple[Metric, ...]:
        """Return the metrics that order rows by their answers to test samples."""
        return tuple(one for one in self.mains if one.derived_from in PREDICTIONS)

    @property
    def accuracies(self) -> tuple[Metric, ...]:
        """Return the metrics that are means of right answers."""
        return tuple(one for one in self.metrics.values() if one.mean_over is not None)

    def by_chance(self, name: str) -> Metric | None:
        """Return the metric that holds the value of another under permuted labels."""
        return next((one for one in self.metrics.values() if one.chance_of == name), None)

    def functions(self) -> list[tuple[str, int, str]]:
        """List name, version and function of every computed metric; records change where this changes."""
        found = [one for one in self.metrics.values() if one.is_derived]
        return sorted((one.name, one.version, _describe(one.compute)) for one in found)

    def describe(self) -> str:
        """Return everything that tables depend on as text, to find tables that are out of date."""
        named = {protocol: sorted(names) for protocol, names in sorted(self.shown_by.items())}
        return repr([*self.with_named_functions().metrics.values(), named, sorted(self.shown)])

    def with_named_functions(self) -> MetricTable:
        """Return the table with functions as text, which another process can receive; those without a name are left out."""
        return replace(self, metrics={
            name: replace(one, compute=_name_of(one.compute), influence=_name_of(one.influence))
            for name, one in self.metrics.items()
        })  # fmt: skip


def _describe(function: str | Callable[..., Any] | None) -> str:
    return (
        function if isinstance(function, str) else f"{function.__module__}:{function.__qualname__}" if function else ""
    )


def _name_of(function: str | Callable[..., Any] | None) -> str | None:
    text = _describe(function)
    return text if is_implementation_name(text) else None


def installed_metrics(catalog: Catalog) -> MetricTable:
    """Return the metrics of a catalog: by source, those of sslbench first, in the order in which plugins list them."""
    installed = catalog.components.get("metric", {}).values()
    ordered = sorted(installed, key=lambda c: (SOURCES.index(c.spec.derived_from), c.origin.distribution != CORE))
    metrics = {component.name: component.spec for component in ordered}
    protocols = [component.spec for component in catalog.all("protocol")]
    for protocol in protocols:
        for renamed in protocol.renamed_metrics:  # records of older versions have them
            if renamed.old not in metrics and renamed.new in metrics:
                metrics[renamed.old] = replace(metrics[renamed.new], name=renamed.old, label="", is_shown=False)
    return MetricTable(metrics, {protocol.name: frozenset(protocol.shown_metrics) for protocol in protocols})


@lru_cache(maxsize=1)
def core_metrics() -> MetricTable:
    """Return the metrics of sslbench alone."""
    return installed_metrics(discover(one for one in installed_entries() if one.origin.distribution == CORE))
