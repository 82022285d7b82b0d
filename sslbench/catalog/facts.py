"""What discovery found: components with their origin, and problems, one line each. Data only."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast, get_args

from sslbench.api.errors import ImplementationError
from sslbench.api.recipes import RecipeSpec
from sslbench.api.references import ReferenceSpec
from sslbench.api.specs import AugmentationSpec, Kind, MethodSpec, Recipe, Setting, Spec, StudySpec
from sslbench.api.values import Event
from sslbench.old_names import COMPONENTS

AnySpec: TypeAlias = "Spec[Any] | AugmentationSpec | RecipeSpec | StudySpec | ReferenceSpec"
KINDS: tuple[Kind, ...] = get_args(Kind)
DATA: frozenset[Kind] = frozenset({"augmentation", "recipe", "study", "reference"})
"""Kinds that are data: no settings of their own, no families."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a component came from: an entry point of an installed distribution."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with one plugin; `advice` means that it works all the same."""

    origin: Origin
    stage: str
    error: str
    kind: Literal["broken", "contested", "advice"] = "broken"

    def __str__(self) -> str:
        return f"plugin '{self.origin.plugin}' ({self.origin}) at {self.stage}: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A usable spec and where it came from."""

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
    """A plugin's ear for events."""

    origin: Origin
    hear: Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything installed. A name claimed twice is in `contested` and usable from nobody."""

    components: Mapping[Kind, Mapping[str, Component]] = field(default_factory=dict)
    contested: Mapping[tuple[Kind, str], tuple[Origin, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    listeners: tuple[EventListener, ...] = ()

    def all(self, kind: Kind) -> tuple[Component, ...]:
        """Every usable component of a kind, by name."""
        return tuple(c for _, c in sorted(self.components.get(kind, {}).items()))

    def recipes(self, method: MethodSpec[Any]) -> tuple[Recipe, ...]:
        """A method's own recipes, and those that others offer for it."""
        return (*method.recipes, *(one.recipe for one in self.recipes_of_others(method.name)))

    def recipes_of_others(self, method: str) -> tuple[RecipeSpec, ...]:
        """What other plugins recommend for a method."""
        return tuple(c.spec for c in self.all("recipe") if c.spec.method == method)

    def find(self, kind: Kind, name: str) -> tuple[Component, Mapping[str, Setting]] | str:
        """The component that answers to a name and the settings this implies, or a sentence that says why none does."""
        known = self.components.get(kind, {})
        if name in known:
            return known[name], {}
        if claims := self.contested.get((kind, name)):
            who = " and ".join(str(origin) for origin in claims)
            return f"{kind} {name!r} is claimed by {who}; uninstall one of them, or name one in SSLBENCH_DISABLE"
        for component in known.values():
            if (settings := component.spec.resolve_name(name) if kind not in DATA else None) is not None:
                return component, settings
        if name in COMPONENTS:
            return f"{kind} {name!r} is now {COMPONENTS[name]!r}"
        broken = sum(problem.kind == "broken" for problem in self.problems)
        lost = f"; {broken} plugin(s) failed to load: run 'sslbench list --problems'" if broken else ""
        return f"{kind} {name!r} is not installed{did_you_mean(name, known)}{lost}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say what could have been meant, or what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    shown = ", ".join(names[:24]) + (", …" if len(names) > 24 else "")
    return f"{hint}; possible: {shown}" if names else hint
