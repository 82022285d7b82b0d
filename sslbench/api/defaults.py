"""Provide default functions for the optional fields of specs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sslbench.api.renamed import missing_name

if TYPE_CHECKING:
    from sslbench.api.specs import Dependency, Setting
    from sslbench.api.values import PlanContext, Shapes

C = TypeVar("C")


def keep_config(config: C) -> C:
    """Return the settings unchanged: the encoder fetches no weights."""
    return config


def tests_on_no_training_row(config: Any) -> bool:
    """Return False: the protocol tests on no training sample."""
    return False


def keep_settings(config: C) -> C:
    """Return the settings unchanged: none of them switches another off."""
    return config


def no_libraries(config: Any) -> Iterable[str]:
    """Return no library names."""
    return ()


def may_augment(config: Any) -> bool:
    """Return True: the protocol may augment samples."""
    return True


def no_title(config: Any) -> str:
    """Return '', so that the name of the dataset is used."""
    return ""


def no_dependencies(config: Any) -> Mapping[str, Dependency]:
    """Return no dependencies."""
    return {}


def accept_all(config: Any, context: PlanContext) -> Iterable[str]:
    """Return no problems: every setting is accepted."""
    return ()


def no_warnings(config: Any, context: PlanContext) -> Iterable[str]:
    """Return no warnings."""
    return ()


def same_shapes(config: Any, shapes: Shapes) -> Shapes:
    """Return the shapes unchanged."""
    return shapes


def zero(config: Any) -> int:
    """Return 0."""
    return 0


def resolve_no_name(name: str) -> Mapping[str, Setting] | None:
    """Return None: the spec has no name except its own."""
    return None


def no_members() -> Iterable[str]:
    """Return no names: the spec is no family."""
    return ()


def one_part(config: Any) -> tuple[str, ...]:
    """Return one unnamed part."""
    return ("",)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
