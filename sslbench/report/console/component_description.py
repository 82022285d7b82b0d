"""Describe one installed component, or a section of settings, as text."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sslbench.api.errors import RequestError
from sslbench.api.layouts import LayoutSpec
from sslbench.api.metrics import Metric
from sslbench.api.recipes import RecipeSpec
from sslbench.api.references import ReferenceSpec
from sslbench.api.specs import AugmentationSpec, DatasetSpec, Kind, MethodSpec, Recipe, StudySpec
from sslbench.catalog.facts import Catalog, Component
from sslbench.config.setting_help import (
    COMPONENT_SECTIONS,
    SECTIONS,
    describe_section,
    describe_settings,
    prefix_of,
)
from sslbench.report.console.settings_help import setting_lines


def show_lines(catalog: Catalog, kind: Kind, name: str) -> Iterator[str]:
    """Describe one component; raises RequestError for an unknown name."""
    found = catalog.find(kind, name)
    if isinstance(found, str):
        raise RequestError([found])
    component, implied = found
    spec = component.spec
    if isinstance(spec, Metric):
        yield from _metric(component, catalog)
        return
    yield f"{kind} {name} (version {spec.version}) from {component.origin}"
    yield f"  {spec.summary}"
    citation = spec.citation
    yield f"  {citation.authors} ({citation.year}): {citation.title}. {citation.url}"
    if isinstance(spec, AugmentationSpec):
        yield from _operations(spec)
        return
    if isinstance(spec, StudySpec):
        yield from (f"  {line}" for line in spec.file.read_text().splitlines())
        return
    if isinstance(spec, ReferenceSpec):
        yield from _published(spec)
        return
    if isinstance(spec, RecipeSpec):
        yield from _recipe(spec)
        return
    if isinstance(spec, LayoutSpec):
        yield from _layout(spec)
        return
    yield from _settings(kind, component, dict(implied))
    if isinstance(spec, MethodSpec):
        yield from _method(spec, catalog.recipes(spec))
    if isinstance(spec, DatasetSpec):
        if spec.card.modalities:
            yield f"modalities: {', '.join(f'{name} ({m.layout})' for name, m in spec.card.modalities.items())}"
        yield f"license: {spec.card.license}"
        yield f"source: {spec.card.source}"
        yield f"download: {spec.card.obtain}"
        parts = [part for part in spec.parts(spec.config()) if part]
        if parts:
            yield f"parts: {', '.join(f'{name}/{part}' for part in parts)}"


def _metric(component: Component, catalog: Catalog) -> Iterator[str]:
    metric: Metric = component.spec
    yield f"metric {metric.name} (version {metric.version}) from {component.origin}"
    yield f"  {metric.summary or 'no summary'}"
    better = "higher" if metric.higher_is_better else "lower"
    yield f"column: {metric.title}, {metric.digits} decimal places; {better} is better"
    yield f"range: {metric.low:g} to {metric.high:g}"
    origin = f"computed from stored {metric.derived_from.value}" if metric.is_derived else "reported by a protocol"
    yield f"origin: {origin}" + (f" (value of {metric.chance_of} by chance)" if metric.chance_of else "")
    protocols = [one.name for one in catalog.all("protocol") if metric.name in one.spec.shown_metrics]
    named = f" of {', '.join(protocols)}" if protocols else " that name it: --metrics, or `where` of a study's table"
    yield "shown: in every table" if metric.is_shown else f"shown: in tables{named}"
    if metric.source:
        yield f"source: {metric.source}"


def _layout(spec: LayoutSpec) -> Iterator[str]:
    yield f"axes: {', '.join(spec.axes)}"
    yield f"mean and deviation for each of the {spec.axes[spec.channel_axis]}"
    yield f"values: {spec.dtype}, unless a dataset states another type"
    if spec.has_size:
        yield "size in pixels: prepare.size and view.size apply"
    if spec.has_length:
        yield f"samples may differ in their number of {spec.axes[0]}"


def show_settings(catalog: Catalog, section: str) -> Iterator[str]:
    """Describe every setting of a section, or list the sections; raises RequestError for an unknown section."""
    if section:
        yield from setting_lines(describe_section(catalog, section))
        return
    yield "sections: sslbench show settings SECTION"
    yield from (f"  {name}" for name in (*SECTIONS, *(f"{head}.NAME" for head in COMPONENT_SECTIONS)))


def _settings(kind: Kind, component: Component, implied: dict[str, Any]) -> Iterator[str]:
    config = component.spec.config
    description = inspect.getdoc(config) or ""
    if description and not description.startswith(f"{config.__name__}("):
        yield ""
        yield from (f"  {line}" for line in description.splitlines())
    yield "" if dataclasses.fields(config) else "no settings"
    yield from setting_lines(describe_settings(config, prefix_of(kind, component.name), implied))


def _method(spec: MethodSpec[Any], recipes: Sequence[Recipe]) -> Iterator[str]:
    yield ""
    yield f"family: {spec.family}; required of the backbone: {', '.join(sorted(spec.requires)) or 'nothing'}"
    if spec.uses_labels:
        yield "this method uses labels"
    for recipe in recipes:
        yield f"recipe {recipe.name}: {recipe.summary}" + (f" (source: {recipe.source})" if recipe.source else "")
        yield from _set(recipe.settings)


def _set(settings: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"  {path} = {value!r}" for path, value in settings.items())


def _recipe(spec: RecipeSpec) -> Iterator[str]:
    yield f"for method {spec.method}; recipe=auto selects it for: {', '.join(spec.datasets) or 'nothing'}"
    yield f"source: {spec.recipe.source}"
    yield from _set(spec.settings)


def _published(spec: ReferenceSpec) -> Iterator[str]:
    yield f"compared with: recipe {spec.recipe}"
    yield from _set(spec.settings)
    yield from (f"differs: {difference}" for difference in spec.differences)
    for row in spec.rows:
        spread = f" ±{row.spread}" if row.spread is not None else ""
        yield f"  {row.method} on {row.dataset}, {row.protocol} {row.metric}: {row.value}{spread}"


def _operations(spec: AugmentationSpec) -> Iterator[str]:
    for name, apply in spec.operations.items():
        settings = ", ".join(f"{key}={value}" for key, value in apply.settings.items())
        yield f"  augmentation.{name}: {apply.operation} with probability {apply.p} {settings}".rstrip()
    for role, changes in spec.roles.items():
        for name, settings_ in changes.items():
            changed = ", ".join(f"{key}={value}" for key, value in settings_.items())
            yield f"  augmentation.roles.{role}.{name}: {changed}"
