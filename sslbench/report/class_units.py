"""Decide what an analysis of class effects compares, and by which score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sslbench.api.errors import RequestError
from sslbench.api.targets import KINDS, TargetKind
from sslbench.catalog.metrics import MetricTable
from sslbench.results.record import Record
from sslbench.study.definition import DATASET, TARGET_UNITS, ClassEffectSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedUnit:
    """A unit that is compared: class, label or number of a target, group of test samples, or dataset.

    unit, units: its name, for columns and texts, and that of several.
    target_unit: what the target of a sample consists of: classes, labels or numbers.
    group_column: column of the datasets whose values are the groups ('': none).
    score: metric of each class, label, number, group or dataset.
    overall, overall_title: metric over all of them, and its name in titles.
    is_share: whether the score lies between 0 and 1.
    """

    unit: str
    units: str
    target_unit: str
    group_column: str
    score: str
    overall: str
    overall_title: str
    higher_is_better: bool
    is_share: bool

    @property
    def column(self) -> str:
        """Return the column of files that names the units."""
        return "class" if self.unit == DATASET else self.unit

    def name_folder(self, request: ClassEffectSettings) -> str:
        """Return the name of an analysis's folder."""
        group = f"-by-{self.group_column.replace('/', '-')}" if self.group_column else ""
        rule = (
            "" if (request.basis, request.correction) == ("seeds", "bh") else f"-{request.basis}-{request.correction}"
        )
        against = f"-to-{request.reference}" if request.reference else ""
        return f"{request.axis}-{request.protocol}-{self.score}{group}{rule}{against}"


def choose_unit(request: ClassEffectSettings, records: Sequence[Record], metrics: MetricTable) -> ComparedUnit:
    """Return what a request compares; raises RequestError if it does not suit the target of the finished runs."""
    kind = _choose_kind(request, _list_kinds(records, request.protocol), metrics)
    accuracy = next(metric.name for metric in metrics.accuracies if metric.mean_over == "samples")
    main = metrics.main(kind.source)
    overall = request.overall or (accuracy if kind.name == "class" or main is None else main.name)
    unit, units, column, score = kind.unit, kind.units, "", request.metric or kind.each[0]
    if request.by == DATASET:
        unit, units, score = DATASET, f"{DATASET}s", overall
    elif request.by and request.by not in TARGET_UNITS:
        unit, units, column = "group", f"groups of {request.by}", request.by
        score = accuracy if kind.name == "class" else overall
    known = metrics.find(score)
    title = "accuracy" if metrics.find(overall).mean_over else overall.replace("_", " ")
    return ComparedUnit(
        unit=unit, units=units, target_unit=kind.unit, group_column=column, score=score, overall=overall, overall_title=title,
        higher_is_better=known.higher_is_better,
        is_share=not metrics.is_known(score) or (known.low >= 0 and known.high <= 1),
    )  # fmt: skip


def _list_kinds(records: Sequence[Record], protocol: str) -> list[TargetKind]:
    """List the kinds of targets that a protocol predicted in finished runs."""
    found: dict[str, TargetKind] = {}
    for record in (one for one in records if one.status == "done"):
        if any(row.protocol == protocol for row in record.classes):
            found["class"] = KINDS["class"]
        scores = {metric for row in record.labels if row.protocol == protocol for metric in row.scores}
        found |= {kind.name: kind for kind in KINDS.values() if scores & {*kind.each}}
    return list(found.values())


def _choose_kind(request: ClassEffectSettings, kinds: Sequence[TargetKind], metrics: MetricTable) -> TargetKind:
    """Return the kind of target that a request compares; that of one class if nothing was predicted."""
    if not kinds:
        return KINDS["class"]
    fitting = [kind for kind in kinds if request.by not in TARGET_UNITS or kind.unit == request.by]
    if not fitting:
        raise RequestError([
            f"class_effects: by={request.by}: the samples have {kinds[0].content}. Use by={kinds[0].unit}"
        ])  # fmt: skip
    with_metric = [kind for kind in fitting if not request.metric or request.metric in kind.each]
    if not with_metric:
        known = ", ".join(fitting[0].each)
        raise RequestError([
            f"class_effects: metric={request.metric}: is not a score of a single {fitting[0].unit}. Use one of: {known}"
        ])  # fmt: skip
    overall = metrics.find(request.overall).derived_from if request.overall else None
    found = [kind for kind in with_metric if overall is None or kind.source is overall] or with_metric
    if len(found) > 1:
        contents = " or ".join(kind.content for kind in found)
        choices = " or ".join(_describe_choice(request, kind, metrics) for kind in found)
        raise RequestError([f"class_effects: the samples of its datasets have {contents}. Select one with {choices}"])
    return found[0]


def _describe_choice(request: ClassEffectSettings, kind: TargetKind, metrics: MetricTable) -> str:
    """Return the setting that selects a kind of target."""
    main = metrics.main(kind.source)
    is_by_name = request.by in ("", *TARGET_UNITS)
    return f"by={kind.unit}" if is_by_name or main is None else f"overall={main.name}"
