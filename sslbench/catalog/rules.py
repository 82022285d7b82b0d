"""Check the types of specs and the rules that types cannot state; each broken rule is one sentence."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from sslbench.api.executors import ExecutorSpec
from sslbench.api.implementations import FORM, is_implementation_name
from sslbench.api.layouts import ANY_LAYOUT, DTYPES, LayoutSpec
from sslbench.api.metrics import Derivation, Metric
from sslbench.api.protocols import ProtocolSpec
from sslbench.api.recipes import RecipeSpec
from sslbench.api.references import ReferenceSpec
from sslbench.api.specs import (
    AugmentationSpec,
    BackboneSpec,
    DatasetSpec,
    Kind,
    MethodSpec,
    OperationSpec,
    Spec,
    StudySpec,
)
from sslbench.api.varied import Default
from sslbench.convert import list_required, list_type_errors

HOOKS: Mapping[str, tuple[Kind, type[Any]]] = {
    "sslbench_methods": ("method", MethodSpec),
    "sslbench_backbones": ("backbone", BackboneSpec),
    "sslbench_operations": ("operation", OperationSpec),
    "sslbench_augmentations": ("augmentation", AugmentationSpec),
    "sslbench_datasets": ("dataset", DatasetSpec),
    "sslbench_protocols": ("protocol", ProtocolSpec),
    "sslbench_metrics": ("metric", Metric),
    "sslbench_recipes": ("recipe", RecipeSpec),
    "sslbench_studies": ("study", StudySpec),
    "sslbench_executors": ("executor", ExecutorSpec),
    "sslbench_references": ("reference", ReferenceSpec),
    "sslbench_layouts": ("layout", LayoutSpec),
}
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
METRIC_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
BACKBONE_NAME = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
MAX_DIGITS = 9
"""Largest number of decimal places in tables."""
SCORE_COLUMNS = frozenset({
    "run", "method", "backbone", "status", "augmentation", "recipe", "pool", "baseline", "bank", "query", "test_share",
    "marks", "dataset", "fingerprint", "protocol", "seed", "fold", "epoch", "setting", "chosen", "chosen_on", "metric",
    "value", "draw", "fraction", "class", "question", "scale",
})  # fmt: skip
"""Columns of the scores of every protocol, which no setting may have as its name."""


def broken_rules(kind: Kind, spec: Any) -> Iterator[str]:
    """Yield one sentence per rule that a spec breaks."""
    expected = next(cls for one, cls in HOOKS.values() if one == kind)
    if not isinstance(spec, expected):
        yield f"returned {_describe_value(spec)}, not a {expected.__name__}"
        return
    # the conformance kit reports names of layouts and targets that no component has
    types = (f"{spec.name!r}: {error}" for error in list_type_errors(spec, any_name=True))
    if problems := [*_check_name(kind, spec), *_check_build(spec), *types]:
        yield from problems
        return
    if spec.version < 1:
        yield f"{spec.name!r}: version is {spec.version!r}, not a whole number from 1"
    if "\n" in spec.summary or not (spec.summary or kind == "metric"):
        yield f"{spec.name!r}: summary is not one line of text"
    if isinstance(spec, Spec):
        yield from _check_config(spec)
    yield from _check_kind_fields(spec)


def _check_name(kind: Kind, spec: Any) -> Iterator[str]:
    pattern = {"backbone": BACKBONE_NAME, "metric": METRIC_NAME}.get(kind, NAME)
    if not isinstance(spec.name, str) or not pattern.fullmatch(spec.name):
        yield f"name {spec.name!r} is not lower-case words joined by '{'_' if kind == 'metric' else '-'}'"


def _check_config(spec: Spec[Any]) -> Iterator[str]:
    config = spec.config
    if not dataclasses.is_dataclass(config):
        yield f"{spec.name!r}: config is {_describe_value(config)}, not a dataclass"
        return
    if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        yield f"{spec.name!r}: config {config.__name__} is not frozen"
    if missing := list_required(config):
        yield f"{spec.name!r}: config {config.__name__} has no default for {', '.join(missing)}"
    names = {field.name for field in dataclasses.fields(config)}
    for field in dataclasses.fields(config):
        old = field.metadata.get("old_names", ())
        if not isinstance(old, tuple) or names & {*old}:
            yield f"{spec.name!r}: old_names={old!r} of setting {field.name!r} is not a tuple of names that no setting has"
    if not isinstance(spec.smoke, config):
        yield f"{spec.name!r}: smoke is {_describe_value(spec.smoke)}, not a {config.__name__}"


def _check_build(spec: Any) -> Iterator[str]:
    build = getattr(spec, "build", None)
    if isinstance(build, str) and not is_implementation_name(build):
        yield f"{spec.name!r}: build={build!r} is not of the form {FORM!r}"
    elif isinstance(spec, (Spec, LayoutSpec)) and not isinstance(build, str) and not callable(build):
        yield f"{spec.name!r}: build is {_describe_value(build)}, neither a text of the form {FORM!r} nor a function"


def _check_kind_fields(spec: Any) -> Iterator[str]:
    if isinstance(spec, StudySpec) and not spec.file.is_file():
        yield f"{spec.name!r}: file {spec.file} does not exist"
    if isinstance(spec, RecipeSpec) and spec.name in ("auto", "none"):
        yield f"{spec.name!r}: has a special meaning in recipe={spec.name}. Use another name"
    if isinstance(spec, MethodSpec):
        minimum, maximum = spec.modalities
        if not 1 <= minimum <= maximum:
            yield f"{spec.name!r}: modalities={spec.modalities!r} is not (minimum, maximum) with 1 <= minimum <= maximum"
    if isinstance(spec, LayoutSpec):
        yield from _check_layout(spec)
    if isinstance(spec, Metric):
        yield from _check_metric(spec)
    if isinstance(spec, ProtocolSpec):
        for metric in spec.own_metrics:
            yield from (f"{spec.name!r}: metric {rule}" for rule in broken_rules("metric", metric))
        yield from _check_varied(spec)
    if isinstance(spec, AugmentationSpec):
        for role, changes in spec.roles.items():
            for name in [name for name in changes if name not in spec.operations]:
                yield f"{spec.name!r}: role {role!r} changes {name!r}, which is not one of its operations"


def _check_varied(spec: ProtocolSpec[Any]) -> Iterator[str]:
    names = [one.name for one in spec.varies]
    for one in spec.varies:
        if not METRIC_NAME.fullmatch(one.name) or names.count(one.name) > 1:
            yield f"{spec.name!r}: varied setting {one.name!r} is not a name of its own of lower-case words joined by '_'"
        elif one.name in SCORE_COLUMNS:
            yield f"{spec.name!r}: varied setting {one.name!r} is a column of every score. Use another name"
        if one.default not in get_args(Default):
            known = ", ".join(get_args(Default))
            yield f"{spec.name!r}: varied setting {one.name!r} has default={one.default!r}, not one of {known}"
        texts = {"label": one.label, "unset": one.unset, "format": one.format}
        yield from (
            f"{spec.name!r}: {name} of {one.name!r} is not one line of text"
            for name, text in texts.items()
            if "\n" in text
        )


def _check_metric(metric: Metric) -> Iterator[str]:
    name, compute = metric.name, metric.compute
    for field in ("label", "unit", "source"):
        if "\n" in getattr(metric, field):
            yield f"{name!r}: {field} is not one line of text"
    if not metric.low < metric.high:
        yield f"{name!r}: low={metric.low!r} and high={metric.high!r} are not a range"
    if not 0 <= metric.digits <= MAX_DIGITS:
        yield f"{name!r}: digits is {metric.digits!r}, not a whole number from 0 to {MAX_DIGITS}"
    is_reported = metric.derived_from in (Derivation.FEATURES, Derivation.NOTHING)
    if is_reported and compute is not None:
        yield f"{name!r}: has a function, but nothing to compute it from. Set derived_from, or remove compute"
    elif not is_reported and compute is None:
        yield f"{name!r}: is derived from {metric.derived_from.value}, but has no function. Set compute"
    for field, function in (("compute", compute), ("influence", metric.influence)):
        if isinstance(function, str) and not is_implementation_name(function):
            yield f"{name!r}: {field}={function!r} is not of the form {FORM!r}"
    if metric.influence is not None and metric.derived_from not in (Derivation.LABELS, Derivation.VALUES):
        yield f"{name!r}: has influence, but is not computed from labels or values. Remove influence"


def _check_layout(spec: LayoutSpec) -> Iterator[str]:
    if spec.name in ANY_LAYOUT:
        yield f"{spec.name!r}: has a special meaning. Use another name"
    if spec.dtype not in DTYPES:
        yield f"{spec.name!r}: dtype is {spec.dtype!r}, not one of {', '.join(DTYPES)}"
    if not 0 <= spec.channel_axis < len(spec.axes):
        yield f"{spec.name!r}: channel_axis is {spec.channel_axis!r}, but samples have {len(spec.axes)} axes, from 0"
    if len(spec.example) != len(spec.axes) or not all(side > 0 for side in spec.example):
        yield f"{spec.name!r}: example is {spec.example!r}, not one positive side for each of {', '.join(spec.axes)}"
    if spec.has_length and (spec.channel_axis == 0 or spec.has_size):
        yield f"{spec.name!r}: has_length needs an axis 0 that is neither the channels nor in pixels"


def _describe_value(value: object) -> str:
    return f"the {type(value).__name__} {value!r:.60}"
