"""Provide what a spec does where its author says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sslbench.api.specs import Dependency, Setting
    from sslbench.api.values import PlanContext, Shapes

C = TypeVar("C")


def keep_config(config: C) -> C:
    """Start from random weights anyway."""
    return config


def tests_on_no_training_row(config: Any) -> bool:
    """Ask no row that a method may have learned from."""
    return False


def keep_settings(config: C) -> C:
    """Return the settings as they are: none of them switches another off."""
    return config


def no_libraries(config: Any) -> Iterable[str]:
    """Return no library."""
    return ()


def may_augment(config: Any) -> bool:
    """Say that samples may be augmented."""
    return True


def no_title(config: Any) -> str:
    """Return no title, so that the dataset's own name is used."""
    return ""


def no_dependencies(config: Any) -> Mapping[str, Dependency]:
    """Use no other component."""
    return {}


def accept_all(config: Any, facts: PlanContext) -> Iterable[str]:
    """Accept every setting."""
    return ()


def no_warnings(config: Any, facts: PlanContext) -> Iterable[str]:
    """Return no warning."""
    return ()


def same_shapes(config: Any, shapes: Shapes) -> Shapes:
    """Change no size."""
    return shapes


def none(config: Any) -> int:
    """Ask for nothing."""
    return 0


def resolve_no_name(name: str) -> Mapping[str, Setting] | None:
    """Answer to the spec's own name only."""
    return None


def no_members() -> Iterable[str]:
    """Stand for one component only."""
    return ()


def one_part(config: Any) -> tuple[str, ...]:
    """Be one dataset without named parts."""
    return ("",)
