"""Reject augmentations that leave the compared views identical, unless the request or the method wants that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sslbench.api.values import Modality, PlanContext, Role
from sslbench.catalog.facts import Catalog
from sslbench.config.augmentations import PlannedAugmentation, PlannedOperation, choose_augmentations
from sslbench.config.choices import Choice

NONE = "none"
"""As an augmentation's name: no operation is applied, and views are prepared and resized only."""


def find_identical_views(
    augmentation: PlannedAugmentation, roles: Mapping[str, Role], modalities: Mapping[str, Modality]
) -> list[str]:
    """Return the modalities in which all views of a sample are identical, over all roles."""
    return [name for name, modality in modalities.items() if not _differ(augmentation, roles, modality.layout)]


def _differ(augmentation: PlannedAugmentation, roles: Mapping[str, Role], layout: str) -> bool:
    """Return whether views differ, by a random operation or by different fixed operations."""
    fixed = set()
    for role, wanted in roles.items():
        operations = augmentation.roles.get(role, ()) if wanted.augment else ()
        for view in range(wanted.count):
            applied = [o for o in operations if o.choice.spec.takes(layout) and _probability(o, view) > 0]
            if any(o.choice.spec.random or _probability(o, view) < 1 for o in applied):
                return True
            fixed.add(repr([o.choice.key_form() for o in applied]))
    return len(fixed) > 1


def _probability(operation: PlannedOperation, view: int) -> float:
    """Return the probability that an operation of an augmentation is applied to a view."""
    return operation.p[view] if len(operation.p) > 1 else operation.p[0]


def refuse_identical_views(
    catalog: Catalog,
    method: Choice,
    augmentations: Sequence[PlannedAugmentation],
    roles: Mapping[str, Role],
    facts: PlanContext,
    requested: Any,
) -> list[str]:
    """Return one message per augmentation and modality whose compared views would be identical.

    `requested` is the augmentation's name in the request; 'none' allows identical views.
    """
    spec = method.spec
    if not spec.trains or not spec.compares_views or spec.identical_views or requested == NONE:
        return []
    problems = []
    for planned in augmentations:
        for name in find_identical_views(planned, roles, facts.modalities):
            layout = facts.modalities[name].layout
            fitting = ", ".join(_list_fitting(catalog, roles, facts, layout)) or "none that is installed"
            problems.append(
                f"augmentation.name={requested if planned.name == NONE else planned.name}: no operation applies to {name!r} "
                f"(layout {layout}), so both views of {method.name!r} would be identical. Choose an augmentation that fits: "
                f"{fitting}; or set augmentation.name=none to train on identical views"
            )
    return problems


def _list_fitting(catalog: Catalog, roles: Mapping[str, Role], facts: PlanContext, layout: str) -> list[str]:
    """Return the installed augmentations that make views of a layout differ on this data."""
    augmented = [name for name, role in roles.items() if role.augment] or list(roles)
    acting = {name: Role(count=role.count) for name, role in roles.items()}
    found = []
    for component in catalog.all("augmentation"):
        problems: list[str] = []
        for planned in choose_augmentations(catalog, {"name": component.name}, augmented, problems):
            operations = [o for chosen in planned.roles.values() for o in chosen]
            problems += [one for o in operations for one in o.choice.spec.check(o.choice.config, facts)]
            if not problems and _differ(planned, acting, layout):
                found.append(component.name)
    return found
