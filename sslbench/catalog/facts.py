"""Define the results of discovery: components with their origin, and problems, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast, get_args

from sslbench.api.errors import ImplementationError
from sslbench.api.layouts import LayoutSpec
from sslbench.api.metrics import Metric
from sslbench.api.recipes import RecipeSpec
from sslbench.api.references import ReferenceSpec
from sslbench.api.specs import AugmentationSpec, Kind, MethodSpec, Recipe, Setting, Spec, StudySpec
from sslbench.api.suggestions import did_you_mean
from sslbench.api.values import Event

AnySpec: TypeAlias = "Spec[Any] | AugmentationSpec | Metric | RecipeSpec | StudySpec | ReferenceSpec | LayoutSpec"
KINDS: tuple[Kind, ...] = get_args(Kind)
DATA_KINDS: frozenset[Kind] = frozenset({"augmentation", "metric", "recipe", "study", "reference", "layout"})
"""Kinds without settings and families."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Entry point and distribution that a component comes from."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of a plugin; one of kind `advice` does not prevent its use."""

    origin: Origin
    stage: str
    error: str
    kind: Literal["broken", "contested", "advice"] = "broken"

    def __str__(self) -> str:
        return f"plugin '{self.origin.plugin}' ({self.origin}) at {self.stage}: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A usable spec and its origin."""

    kind: Kind
    spec: Any
    origin: Origin

    @property
    def name(self) -> str:
        return cast(str, self.spec.name)

    def implementation(self) -> Callable[..., Any]:
        """Return the callable that the spec names; raises ImplementationError that also names the plugin."""
        try:
            return cast(Callable[..., Any], self.spec.implementation())
        except ImplementationError as error:
            problem = Problem(origin=self.origin, stage="build", error=f"{self.kind} {error}")
            raise ImplementationError(str(problem)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class EventListener:
    """A plugin's callback for events."""

    origin: Origin
    callback: Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All installed components. A name that several plugins use is in `contested`, and cannot be used."""

    components: Mapping[Kind, Mapping[str, Component]] = field(default_factory=dict)
    contested: Mapping[tuple[Kind, str], tuple[Origin, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    listeners: tuple[EventListener, ...] = ()

    def all(self, kind: Kind) -> tuple[Component, ...]:
        """Return the usable components of a kind, sorted by name."""
        return tuple(c for _, c in sorted(self.components.get(kind, {}).items()))

    def recipes(self, method: MethodSpec[Any]) -> tuple[Recipe, ...]:
        """Return a method's own recipes, and those of other plugins for it."""
        return (*method.recipes, *(one.recipe for one in self.recipes_of_others(method.name)))

    def recipes_of_others(self, method: str) -> tuple[RecipeSpec, ...]:
        """Return the recipes of other plugins for a method."""
        return tuple(c.spec for c in self.all("recipe") if c.spec.method == method)

    def find_renamed(self, kind: Kind, name: str) -> Component | None:
        """Return the component that had a name before it was renamed; None if there is none, or another has the name now."""
        known = self.components.get(kind, {})
        return None if name in known else next((one for one in known.values() if name in one.spec.old_names), None)

    def find(self, kind: Kind, name: str) -> tuple[Component, Mapping[str, Setting]] | str:
        """Return the component with a name and the settings that the name implies, or a sentence on why there is none."""
        known = self.components.get(kind, {})
        if name in known:
            return known[name], {}
        if claims := self.contested.get((kind, name)):
            plugins = " and ".join(str(origin) for origin in claims)
            return f"{kind} {name!r} is defined by {plugins}. Uninstall one of them, or set SSLBENCH_DISABLE to one of them"
        for component in known.values():
            if (settings := component.spec.resolve_name(name) if kind not in DATA_KINDS else None) is not None:
                return component, settings
        if renamed := self.find_renamed(kind, name):
            return f"{kind} {name!r} is now {renamed.name!r}"
        broken = sum(problem.kind == "broken" for problem in self.problems)
        failed = f". {broken} plugin(s) failed to load: run 'sslbench list --problems'" if broken else ""
        return f"{kind} {name!r} is not installed{did_you_mean(name, known)}{failed}"
