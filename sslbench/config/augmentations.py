"""Resolve the augmentations that a request names, and the operations of each role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, cast

from sslbench.api.ranges import Length, Range, Share
from sslbench.api.settings import setting
from sslbench.api.specs import AugmentationSpec, OperationStep
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.facts import Catalog
from sslbench.config.choices import Choice, choose
from sslbench.convert import convert


def fill_in_size(config: Any, view: int) -> Any:
    """Return an operation's settings with `size: 0` replaced by `view`, the size in pixels of encoded images."""
    return replace(config, size=view) if getattr(config, "size", None) == 0 else config


@dataclass(frozen=True, slots=True, kw_only=True)
class Probabilities:
    """Probability of applying an operation: one number, or one per view."""

    p: Annotated[tuple[Share, ...], Length(different=False)] = setting(
        (1.0,), "Probability of applying the operation: one number, or one per view."
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedOperation:
    """One operation of an augmentation for one role."""

    name: str
    random_key: str
    p: tuple[float, ...]
    choice: Choice

    def record_facts(self) -> dict[str, Any]:
        """Return the content of a record."""
        random_key = {"random_key": self.random_key} if self.random_key != self.name else {}
        return {"name": self.name, **random_key, "p": list(self.p), **self.choice.key_form()}

    def key_form(self) -> dict[str, Any]:
        """Return the content of a stage key; the name matters only as the key of random numbers."""
        return {"random_key": self.random_key, "p": list(self.p), "operation": self.choice.key_form()}

    def reset_unused(self, view: int) -> PlannedOperation:
        """Return the operation on views of `view` pixels, with its settings without effect at their defaults."""
        sized = replace(self.choice, config=fill_in_size(self.choice.config, view))
        return replace(self, name=self.random_key, choice=sized.reset_unused())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedAugmentation:
    """An augmentation for the roles of a method, with the weight of its loss."""

    name: str
    random_key: str
    version: int
    weight: float
    roles: Mapping[str, tuple[PlannedOperation, ...]]

    def record_facts(self) -> dict[str, Any]:
        """Return the content of a record."""
        roles = {role: [one.record_facts() for one in operations] for role, operations in self.roles.items()}
        random_key = {"random_key": self.random_key} if self.random_key != self.name else {}
        return {"name": self.name, **random_key, "version": self.version, "weight": self.weight, "roles": roles}

    def key_form(self) -> dict[str, Any]:
        """Return the content of a stage key."""
        roles = {role: [one.key_form() for one in operations] for role, operations in self.roles.items()}
        return {"random_key": self.random_key, "version": self.version, "weight": self.weight, "roles": roles}

    def reset_unused(self, view: int) -> PlannedAugmentation:
        """Return the operations that are ever applied, on views of `view` pixels, without their names.

        Random numbers are keyed by operation, so an operation with probability 0 does not change the others.
        """
        roles = {
            role: tuple(one.reset_unused(view) for one in operations if any(one.p))
            for role, operations in self.roles.items()
        }
        return replace(self, name=self.random_key, roles=roles)


def choose_augmentations(
    catalog: Catalog, section: Mapping[str, Any], roles: Sequence[str], problems: list[str]
) -> tuple[PlannedAugmentation, ...]:
    """Resolve a name such as `left:0.4+right:1.0` and the section's overrides, for the roles that a method augments."""
    planned = []
    overrides = {name: value for name, value in section.items() if name not in ("name", "roles", "operations")}
    for word in str(section["name"]).split("+"):
        name, _, weight = word.strip().partition(":")
        spec = _augmentation(catalog, name, section, problems)
        if spec is None:
            continue
        for unknown in [o for o in overrides if o not in spec.operations]:
            known = (*spec.operations, "roles")
            problems.append(f"augmentation.{unknown}: {name!r} has no such operation{did_you_mean(unknown, known)}")
        chosen = _roles(catalog, spec, section.get("roles", {}), overrides, roles, problems)
        share = _weight(weight, problems)
        planned.append(
            PlannedAugmentation(
                name=name, random_key=spec.random_key or name, version=spec.version, weight=share, roles=chosen
            )
        )
    return tuple(planned)


def _augmentation(
    catalog: Catalog, name: str, section: Mapping[str, Any], problems: list[str]
) -> AugmentationSpec | None:
    found = catalog.find("augmentation", name)
    if isinstance(found, str):
        problems.append(f"augmentation: {found}")
        return None
    return cast(AugmentationSpec, found[0].spec)


def _weight(text: str, problems: list[str]) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        problems.append(f"augmentation: weight {text!r} is not a number. Write name:0.4+other:1.0")
        return 1.0


def _roles(
    catalog: Catalog,
    spec: AugmentationSpec,
    by_role: Mapping[str, Any],
    overrides: Mapping[str, Any],
    roles: Sequence[str],
    problems: list[str],
) -> dict[str, tuple[PlannedOperation, ...]]:
    unknown = [role for role in by_role if role not in roles]
    problems += [f"augmentation.roles.{r}: the method has no such role{did_you_mean(r, roles)}" for r in unknown]
    chosen = {}
    for role in roles:
        operations = []
        for name, apply in spec.operations.items():
            layers = (
                spec.roles.get(role, {}).get(name, {}),
                overrides.get(name, {}),
                by_role.get(role, {}).get(name, {}),
            )
            operation = _operation(catalog, name, apply, layers, f"augmentation.{name}", problems)
            if operation is not None:
                operations.append(operation)
        chosen[role] = tuple(operations)
    return chosen


def _operation(
    catalog: Catalog, name: str, apply: OperationStep, layers: Sequence[Any], path: str, problems: list[str]
) -> PlannedOperation | None:
    settings: dict[str, Any] = {"p": apply.p, **apply.settings}
    for layer in layers:
        if not isinstance(layer, Mapping):
            problems.append(f"{path}: expected settings such as {path}.p=0.5, got {layer!r}")
            continue
        settings.update(layer)
    p = settings.pop("p")
    invalid: list[str] = []
    values = convert({"p": p if isinstance(p, (list, tuple)) else [p]}, Probabilities, "", invalid).p
    if invalid:
        problems.append(
            f"{path}.p={p!r}: is not a probability, nor one per view. Possible: {Range(at_least=0, at_most=1)}"
        )
    before = len(problems)
    choice = choose(catalog, "operation", apply.operation, settings, path, problems)
    problems[before:] = sorted(set(problems[before:]) - set(problems[:before]))
    if choice is None:
        return None
    return PlannedOperation(name=name, random_key=apply.random_key or name, p=values, choice=choice)
