"""Provide what a spec does where its author says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sslbench.api.specs import Setting, Use
    from sslbench.api.values import Facts, Shapes

C = TypeVar("C")


def as_it_is(config: C) -> C:
    """Start from random weights anyway."""
    return config


def asks_nothing_learnt(config: Any) -> bool:
    """Ask no row that a method may have learnt from."""
    return False


def change_nothing(config: C) -> C:
    """Return the settings as they are: none of them switches another off."""
    return config


def need_no_library(config: Any) -> Iterable[str]:
    """Return no library."""
    return ()


def may_augment(config: Any) -> bool:
    """Say that samples may be augmented."""
    return True


def name_nothing(config: Any) -> str:
    """Return no title, so that the dataset's own name is used."""
    return ""


def uses_nothing(config: Any) -> Mapping[str, Use]:
    """Use no other component."""
    return {}


def nothing_wrong(config: Any, facts: Facts) -> Iterable[str]:
    """Accept every setting."""
    return ()


def warn_of_nothing(config: Any, facts: Facts) -> Iterable[str]:
    """Return no warning."""
    return ()


def same_shapes(config: Any, shapes: Shapes) -> Shapes:
    """Change no size."""
    return shapes


def none(config: Any) -> int:
    """Ask for nothing."""
    return 0


def no_other_name(name: str) -> Mapping[str, Setting] | None:
    """Answer to the spec's own name only."""
    return None


def no_members() -> Iterable[str]:
    """Stand for one component only."""
    return ()


def one_part(config: Any) -> tuple[str, ...]:
    """Be one dataset without named parts."""
    return ("",)
