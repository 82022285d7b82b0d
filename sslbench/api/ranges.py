"""Define ranges of settings, which are stated with their types, checked before a run and listed in the documentation.

    epochs: PositiveInt = 10
    momentum: Annotated[float, Range(at_least=0, below=1)] = 0.9
    lrs: NonEmpty[PositiveFloat] = (0.1, 1.0)

`typing.get_type_hints` leaves them out unless it is called with `include_extras=True`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar, get_args, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Limit(Protocol):
    """Condition on the values of a setting; its `str` completes the sentence 'must be …'."""

    def allows(self, value: object) -> bool:
        """Return whether a value of the right type is allowed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """An interval of numbers; its ends are included (`at_least`, `at_most`), excluded (`above`, `below`), or open (None)."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def allows(self, value: object) -> bool:
        """Return whether a number lies in the interval."""
        return isinstance(value, (int, float)) and not (
            (self.at_least is not None and value < self.at_least)
            or (self.above is not None and value <= self.above)
            or (self.at_most is not None and value > self.at_most)
            or (self.below is not None and value >= self.below)
        )

    def __str__(self) -> str:
        low = f"{self.at_least:g} or more" if self.at_least is not None else ""
        low = f"above {self.above:g}" if self.above is not None else low
        high = f"at most {self.at_most:g}" if self.at_most is not None else ""
        high = f"below {self.below:g}" if self.below is not None else high
        if self.at_least is not None and self.at_most is not None:
            return f"from {self.at_least:g} to {self.at_most:g}"
        return ", ".join(filter(None, (low, high))) or "any number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A list of at least `at_least` values; with `different`, no value occurs twice."""

    at_least: int = 1
    different: bool = True

    def allows(self, value: object) -> bool:
        """Return whether a list is long enough and its values differ."""
        if not isinstance(value, Sequence) or len(value) < self.at_least:
            return False
        return not self.different or len(set(value)) == len(value)

    def __str__(self) -> str:
        count = f"at least {self.at_least}" if self.at_least else "any number of"
        plural = "" if self.at_least == 1 else "s"
        return f"a list of {count} value{plural}{', all different' if self.different else ''}"


@dataclass(frozen=True, slots=True)
class Ascending:
    """Two numbers in ascending order, such as the ends of an interval."""

    def allows(self, value: object) -> bool:
        """Return whether the numbers are in ascending order."""
        return isinstance(value, Sequence) and list(value) == sorted(value)

    def __str__(self) -> str:
        return "in ascending order"


def limits_in(hint: Any) -> tuple[Limit, ...]:
    """Return the limits stated in a type (from `get_type_hints` with `include_extras=True`), the outermost first."""
    own = tuple(one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Limit))
    inner = [limits_in(one) for one in get_args(hint)[: 1 if own else None]]
    return tuple(dict.fromkeys((*own, *(one for found in inner for one in found))))


PositiveInt = Annotated[int, Range(at_least=1)]
NonNegativeInt = Annotated[int, Range(at_least=0)]
PositiveFloat = Annotated[float, Range(above=0)]
NonNegativeFloat = Annotated[float, Range(at_least=0)]
AnyFloat = Annotated[float, Range()]
Share = Annotated[float, Range(at_least=0, at_most=1)]
"""From 0 to 1, both included: a probability or a fraction."""
Momentum = Annotated[float, Range(at_least=0, at_most=1)]
"""Fraction that a moving average keeps at each step, from 0 to 1, both included (1: it never changes)."""
NonEmpty = Annotated[tuple[T, ...], Length(at_least=1)]
Several = Annotated[tuple[T, ...], Length(at_least=0)]
Span = Annotated[tuple[T, T], Ascending()]
