"""Declare the settings that a protocol varies within one run. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from sslbench.api.values import Scalar


Default: TypeAlias = Literal["each", "unset", "largest", "mean"]
NO_TEXT = "–"
"""Text for a missing value of which nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """A setting of which one run measures several values, such as the number of labeled samples; see `Outcome.setting`.

    name: its key in `Outcome.setting`, and its column in frames.
    label: its name in notes ('': the name).
    unset: text for results without it.
    default: what a table shows that does not name it. 'each': every value separately. 'unset': results without it; if there
        are none, those with the largest number or the first text. 'largest': the largest number of each run. 'mean': the
        mean, as its values only repeat a measurement with other random numbers.
    number: place of results without it on an axis of numbers.
    format: note on a value, with {value}, or {percent} of a number ('', and for names with {percent}: label and value).
    other_target: whether its values name something that answers are compared with instead of the target. Such scores do not
        follow from stored answers, and leaderboards leave them out.
    """

    name: str
    label: str = ""
    unset: str = NO_TEXT
    default: Default = "each"
    number: float | None = None
    format: str = ""
    other_target: bool = False

    def describe(self, value: Scalar) -> str:
        """Describe a value under which numbers were measured."""
        named = f"{self.label or self.name.replace('_', ' ')} {value}"
        if isinstance(value, (int, float)):
            text = self.format.replace("{percent}", f"{100 * value:g}")
        else:  # a name, such as that of a list of labels, has no percentage
            text = "" if "{percent}" in self.format else self.format
        return text.replace("{value}", str(value)) or named
