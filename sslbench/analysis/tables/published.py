"""Compare measured with published numbers, under the same recipe only, listing every difference. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sslbench.analysis.statistics.accuracy import AnswersByRun
from sslbench.analysis.statistics.intervals import Estimate
from sslbench.analysis.tables.run_tables import make_rows
from sslbench.api.references import Published, ReferenceSpec
from sslbench.catalog.metrics import MetricTable
from sslbench.results.record import Record

Recipes = Mapping[tuple[str, str], Mapping[str, Any]]
"""(method, recipe) -> its settings by dotted path."""
ABSENT = object()
TOLERANCE = 1.0
"""Points by which two numbers may always differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedComparison:
    """One published number, the measured one, and the settings that differ."""

    record: Record
    reference: ReferenceSpec
    published: Published
    estimate: Estimate
    differences: tuple[str, ...]

    @property
    def gap(self) -> float:
        """Return measured minus published, in points."""
        return 100 * (self.estimate.mean - self.published.value)

    @property
    def verdict(self) -> str:
        """Return 'within tolerance' (in our interval, or within one point), or the distance."""
        reach = max(TOLERANCE, 100 * (self.estimate.ci95_half_width or 0.0))
        side = "above" if self.gap >= 0 else "below"
        return "within tolerance" if abs(self.gap) <= reach else f"{side} by {abs(self.gap):.1f} points"

    def __str__(self) -> str:
        """Format both numbers, the gap and the differences in one line."""
        interval = "" if self.estimate.ci95_half_width is None else f" ±{self.estimate.ci95_half_width:.3f}"
        side = "above" if self.gap >= 0 else "below"
        changes = "; ".join(self.differences) or "nothing else differs"
        return (
            f"{self.published.method} on {self.published.dataset}, {self.published.protocol} {self.published.metric}: "
            f"{self.estimate.mean:.3f}{interval}, {abs(self.gap):.1f} points {side} the published {self.published.value:.3f} "
            f"({self.reference.name}). Differs: {changes}"
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
                    yield PublishedComparison(record=row.record, reference=reference, published=published, estimate=found,
                                  differences=(*changed, *reference.differences))  # fmt: skip


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
