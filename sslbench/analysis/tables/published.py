"""Compare measured with published numbers, under the same recipe only, listing every difference. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sslbench.analysis.statistics.accuracy import AnswersByRun
from sslbench.analysis.statistics.intervals import Estimate
from sslbench.analysis.tables.published_columns import is_share
from sslbench.analysis.tables.run_tables import make_rows
from sslbench.analysis.tables.text_tables import format_estimate
from sslbench.api.references import Published, ReferenceSpec
from sslbench.catalog.metrics import MetricTable
from sslbench.results.record import Record

Recipes = Mapping[tuple[str, str], Mapping[str, Any]]
"""(method, recipe) -> its settings by dotted path."""
ABSENT = object()
TOLERANCE = 0.01
"""Difference that two shares may always have; for a metric with another range, this share of the published number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedComparison:
    """One published number, the measured one, and the settings that differ.

    digits: decimal places of the metric. in_points: whether gaps are stated in points of a hundred.
    """

    record: Record
    reference: ReferenceSpec
    published: Published
    estimate: Estimate
    differences: tuple[str, ...]
    digits: int = 3
    in_points: bool = True

    @property
    def gap(self) -> float:
        """Return measured minus published, in points if `in_points`."""
        return (100 if self.in_points else 1) * (self.estimate.mean - self.published.value)

    @property
    def distance(self) -> str:
        """Return the size of the gap as text."""
        return f"{abs(self.gap):.1f} points" if self.in_points else f"{abs(self.gap):.{self.digits}f}"

    @property
    def verdict(self) -> str:
        """Return 'within tolerance' (in our interval, or within TOLERANCE), or the distance."""
        reach = TOLERANCE * (1.0 if self.in_points else abs(self.published.value))
        is_within = abs(self.estimate.mean - self.published.value) <= max(reach, self.estimate.ci95_half_width or 0.0)
        return "within tolerance" if is_within else f"{'above' if self.gap >= 0 else 'below'} by {self.distance}"

    def __str__(self) -> str:
        """Format both numbers, the gap and the differences in one line."""
        side = "above" if self.gap >= 0 else "below"
        changes = "; ".join(self.differences) or "nothing else differs"
        return (
            f"{self.published.method} on {self.published.dataset}, {self.published.protocol} {self.published.metric}: "
            f"{format_estimate(self.estimate, self.digits)}, {self.distance} {side} the published "
            f"{self.published.value:.{self.digits}f} ({self.reference.name}). Differs: {changes}"
        )


def compare_published(
    records: Sequence[Record],
    references: Sequence[ReferenceSpec],
    recipes: Recipes,
    metrics: MetricTable,
    answers: AnswersByRun = MappingProxyType({}),
) -> Iterator[PublishedComparison]:
    """Yield a comparison for every published number with a finished record of its recipe."""
    published_recipes = {
        (published.method, reference.recipe) for reference in references for published in reference.rows
    }
    comparable = [r for r in records if r.status == "done" and (r.method["name"], r.recipe) in published_recipes]
    for row in make_rows(comparable, metrics, answers):
        for reference in references:
            if row.record.recipe != reference.recipe:
                continue
            for published in reference.rows:
                same = (published.method, published.dataset) == (row.record.method["name"], row.dataset)
                found = row.cells.get((published.protocol, published.metric)) if same else None
                if found is not None:
                    recipe = recipes.get((published.method, reference.recipe), {})
                    changed = tuple(_differences(row.record, {**recipe, **reference.settings}))
                    yield PublishedComparison(
                        record=row.record, reference=reference, published=published, estimate=found,
                        differences=(*changed, *reference.differences), digits=metrics.find(published.metric).digits,
                        in_points=is_share(published.metric, metrics),
                    )  # fmt: skip


def _differences(record: Record, wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings that a run changed; for a different component only its name."""
    others = [p for p in wanted if p.endswith(".name") and _value_at(record.request, p) != wanted[p]]
    for path, value in wanted.items():
        inside_other = any(path.startswith(other.removesuffix("name")) and path != other for other in others)
        found = _value_at(record.request, path)
        if not inside_other and _plain(found) != _plain(value):
            yield f"{path} = {'not set' if found is ABSENT else found}, not {value}"
    prepared = record.request.get("prepare") or {}
    yield from (f"prepare.{name} = {value}" for name, value in prepared.items())
    if record.pool != "train":
        yield f"pretrain.pool = {record.pool}"


def _value_at(tree: Mapping[str, Any], path: str) -> Any:
    value: Any = tree
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return ABSENT
        value = value[name]
    return value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
