"""What a spec must look like. Pure: one sentence per broken rule."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sslbench.api.executors import ExecutorSpec
from sslbench.api.implementations import FORM, is_implementation_name
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
}
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
BACKBONE_NAME = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
CALLABLES = (
    "dependencies", "check", "resolve_name", "members", "views", "provides", "shapes", "reference", "parts", "missing",
    "reset_unused", "libraries", "title", "warnings", "max_test_samples",
)  # fmt: skip


def broken_rules(kind: Kind, spec: Any) -> Iterator[str]:
    """Say what is wrong with a spec, one sentence each."""
    expected = next(cls for of, cls in HOOKS.values() if of == kind)
    if not isinstance(spec, expected):
        yield f"returned {_a(spec)}, not a {expected.__name__}"
        return
    yield from _identity(kind, spec)
    if isinstance(spec, AugmentationSpec):
        yield from _operations(spec)
        return
    if isinstance(spec, StudySpec):
        if not isinstance(spec.file, Path) or not spec.file.is_file():
            yield f"{spec.name!r}: file {spec.file} is not there"
        return
    if isinstance(spec, ReferenceSpec):
        yield from _rows(spec)
        return
    if isinstance(spec, RecipeSpec):
        if spec.name in ("auto", "none"):
            yield f"{spec.name!r}: means something else in recipe={spec.name}"
        return
    yield from _config(spec)
    yield from _build(spec)
    for name in CALLABLES:
        value = getattr(spec, name, None)
        if hasattr(spec, name) and not callable(value):
            yield f"{spec.name!r}: {name} is {_a(value)}, not a function"
    yield from _facts(spec)


def _identity(kind: Kind, spec: Any) -> Iterator[str]:
    pattern = BACKBONE_NAME if kind == "backbone" else NAME
    if not isinstance(spec.name, str) or not pattern.fullmatch(spec.name):
        yield f"name {spec.name!r} is not lower-case words joined by '-'"
    if not isinstance(spec.version, int) or isinstance(spec.version, bool) or spec.version < 1:
        yield f"{spec.name!r}: version is {spec.version!r}, not a whole number from 1"
    if not isinstance(spec.summary, str) or not spec.summary or "\n" in spec.summary:
        yield f"{spec.name!r}: summary is not one line of text"
    if not isinstance(spec.citation, Citation):
        yield f"{spec.name!r}: citation is {_a(spec.citation)}, not a Citation"


def _config(spec: Spec[Any]) -> Iterator[str]:
    config: Any = spec.config
    if not isinstance(config, type) or not dataclasses.is_dataclass(config):
        yield f"{spec.name!r}: config is {_a(config)}, not a dataclass"
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
        yield f"{spec.name!r}: smoke is {_a(spec.smoke)}, not a {config.__name__}"


def _build(spec: Spec[Any]) -> Iterator[str]:
    build: Any = spec.build
    if isinstance(build, str) and not is_implementation_name(build):
        yield f"{spec.name!r}: build={build!r} is not of the form {FORM!r}"
    elif not isinstance(build, str) and not callable(build):
        yield f"{spec.name!r}: build is {_a(build)}, neither a text of the form {FORM!r} nor a function"


def _facts(spec: Any) -> Iterator[str]:
    if isinstance(spec, MethodSpec):
        recipes: tuple[Any, ...] = spec.recipes
        if not all(isinstance(recipe, Recipe) for recipe in recipes):
            yield f"{spec.name!r}: recipes hold something that is not a Recipe"
        least, most = spec.modalities
        if not 1 <= least <= most:
            yield f"{spec.name!r}: modalities {spec.modalities!r} is not (least, most)"
    card: Any = getattr(spec, "card", None)
    if isinstance(spec, DatasetSpec) and not isinstance(card, DatasetCard):
        yield f"{spec.name!r}: card is {_a(spec.card)}, not a Card"
    if isinstance(spec, ProtocolSpec) and not all(isinstance(metric, Metric) for metric in spec.metrics):
        yield f"{spec.name!r}: metrics hold something that is not a Metric"


def _operations(spec: AugmentationSpec) -> Iterator[str]:
    operations: Mapping[str, Any] = spec.operations
    for name, apply in operations.items():
        if not isinstance(apply, OperationStep):
            yield f"{spec.name!r}: operation {name!r} is {_a(apply)}, not an Apply"
    for role, changes in spec.roles.items():
        for name in changes:
            if name not in spec.operations:
                yield f"{spec.name!r}: role {role!r} changes {name!r}, which is none of its operations"


def _rows(spec: ReferenceSpec) -> Iterator[str]:
    rows: tuple[Any, ...] = spec.rows
    for row in rows:
        if not isinstance(row, Published):
            yield f"{spec.name!r}: rows hold {_a(row)}, not a Published"
        elif not 0 <= row.value <= 1:
            yield f"{spec.name!r}: {row.method} on {row.dataset} is {row.value}, outside [0, 1]"


def _a(value: object) -> str:
    return f"the {type(value).__name__} {value!r:.60}"
