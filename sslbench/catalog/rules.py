"""Check the rules of specs; each broken rule is one sentence."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sslbench.api.executors import ExecutorSpec
from sslbench.api.implementations import FORM, is_implementation_name
from sslbench.api.layouts import ANY_LAYOUT, DTYPES, LayoutSpec
from sslbench.api.protocols import Metric, ProtocolSpec
from sslbench.api.recipes import RecipeSpec
from sslbench.api.references import Published, ReferenceSpec
from sslbench.api.specs import (
    AugmentationSpec,
    BackboneSpec,
    Citation,
    DatasetCard,
    DatasetSpec,
    Kind,
    MethodSpec,
    OperationSpec,
    OperationStep,
    Recipe,
    Spec,
    StudySpec,
)

HOOKS: Mapping[str, tuple[Kind, type[Any]]] = {
    "sslbench_methods": ("method", MethodSpec),
    "sslbench_backbones": ("backbone", BackboneSpec),
    "sslbench_operations": ("operation", OperationSpec),
    "sslbench_augmentations": ("augmentation", AugmentationSpec),
    "sslbench_datasets": ("dataset", DatasetSpec),
    "sslbench_protocols": ("protocol", ProtocolSpec),
    "sslbench_recipes": ("recipe", RecipeSpec),
    "sslbench_studies": ("study", StudySpec),
    "sslbench_executors": ("executor", ExecutorSpec),
    "sslbench_references": ("reference", ReferenceSpec),
    "sslbench_layouts": ("layout", LayoutSpec),
}
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
BACKBONE_NAME = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
CALLABLES = (
    "dependencies", "check", "resolve_name", "members", "views", "provides", "shapes", "reference", "parts", "missing",
    "reset_unused", "libraries", "title", "warnings", "max_test_samples",
)  # fmt: skip


def broken_rules(kind: Kind, spec: Any) -> Iterator[str]:
    """Yield one sentence per rule that a spec breaks."""
    expected = next(cls for one, cls in HOOKS.values() if one == kind)
    if not isinstance(spec, expected):
        yield f"returned {_describe_value(spec)}, not a {expected.__name__}"
        return
    yield from _check_identity(kind, spec)
    if isinstance(spec, AugmentationSpec):
        yield from _check_operations(spec)
        return
    if isinstance(spec, StudySpec):
        if not isinstance(spec.file, Path) or not spec.file.is_file():
            yield f"{spec.name!r}: file {spec.file} does not exist"
        return
    if isinstance(spec, ReferenceSpec):
        yield from _check_rows(spec)
        return
    if isinstance(spec, RecipeSpec):
        if spec.name in ("auto", "none"):
            yield f"{spec.name!r}: has a special meaning in recipe={spec.name}. Use another name"
        return
    if isinstance(spec, LayoutSpec):
        yield from _check_build(spec)
        yield from _check_layout(spec)
        return
    yield from _check_config(spec)
    yield from _check_build(spec)
    for name in CALLABLES:
        value = getattr(spec, name, None)
        if hasattr(spec, name) and not callable(value):
            yield f"{spec.name!r}: {name} is {_describe_value(value)}, not a function"
    yield from _check_kind_fields(spec)


def _check_identity(kind: Kind, spec: Any) -> Iterator[str]:
    pattern = BACKBONE_NAME if kind == "backbone" else NAME
    if not isinstance(spec.name, str) or not pattern.fullmatch(spec.name):
        yield f"name {spec.name!r} is not lower-case words joined by '-'"
    if not isinstance(spec.version, int) or isinstance(spec.version, bool) or spec.version < 1:
        yield f"{spec.name!r}: version is {spec.version!r}, not a whole number from 1"
    if not isinstance(spec.summary, str) or not spec.summary or "\n" in spec.summary:
        yield f"{spec.name!r}: summary is not one line of text"
    if not isinstance(spec.citation, Citation):
        yield f"{spec.name!r}: citation is {_describe_value(spec.citation)}, not a Citation"


def _check_config(spec: Spec[Any]) -> Iterator[str]:
    config: Any = spec.config
    if not isinstance(config, type) or not dataclasses.is_dataclass(config):
        yield f"{spec.name!r}: config is {_describe_value(config)}, not a dataclass"
        return
    if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        yield f"{spec.name!r}: config {config.__name__} is not frozen"
    missing = [
        f.name
        for f in dataclasses.fields(config)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        yield f"{spec.name!r}: config {config.__name__} has no default for {', '.join(missing)}"
    if not isinstance(spec.smoke, config):
        yield f"{spec.name!r}: smoke is {_describe_value(spec.smoke)}, not a {config.__name__}"


def _check_build(spec: Spec[Any] | LayoutSpec) -> Iterator[str]:
    build: Any = spec.build
    if isinstance(build, str) and not is_implementation_name(build):
        yield f"{spec.name!r}: build={build!r} is not of the form {FORM!r}"
    elif not isinstance(build, str) and not callable(build):
        yield f"{spec.name!r}: build is {_describe_value(build)}, neither a text of the form {FORM!r} nor a function"


def _check_kind_fields(spec: Any) -> Iterator[str]:
    if isinstance(spec, MethodSpec):
        recipes: tuple[Any, ...] = spec.recipes
        if not all(isinstance(recipe, Recipe) for recipe in recipes):
            yield f"{spec.name!r}: recipes hold something that is not a Recipe"
        minimum, maximum = spec.modalities
        if not 1 <= minimum <= maximum:
            yield f"{spec.name!r}: modalities {spec.modalities!r} is not (minimum, maximum)"
    card: Any = getattr(spec, "card", None)
    if isinstance(spec, DatasetSpec) and not isinstance(card, DatasetCard):
        yield f"{spec.name!r}: card is {_describe_value(spec.card)}, not a DatasetCard"
    if isinstance(spec, ProtocolSpec) and not all(isinstance(metric, Metric) for metric in spec.metrics):
        yield f"{spec.name!r}: metrics hold something that is not a Metric"


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


def _check_operations(spec: AugmentationSpec) -> Iterator[str]:
    operations: Mapping[str, Any] = spec.operations
    for name, step in operations.items():
        if not isinstance(step, OperationStep):
            yield f"{spec.name!r}: operation {name!r} is {_describe_value(step)}, not an OperationStep"
    for role, changes in spec.roles.items():
        for name in changes:
            if name not in spec.operations:
                yield f"{spec.name!r}: role {role!r} changes {name!r}, which is not one of its operations"


def _check_rows(spec: ReferenceSpec) -> Iterator[str]:
    rows: tuple[Any, ...] = spec.rows
    for row in rows:
        if not isinstance(row, Published):
            yield f"{spec.name!r}: rows hold {_describe_value(row)}, not a Published"
        elif not 0 <= row.value <= 1:
            yield f"{spec.name!r}: {row.method} on {row.dataset} is {row.value}, outside [0, 1]"


def _describe_value(value: object) -> str:
    return f"the {type(value).__name__} {value!r:.60}"
