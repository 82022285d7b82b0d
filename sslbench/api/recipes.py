"""A recipe for somebody else's method: data, from any package. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sslbench.api.specs import Citation, Recipe, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSpec:
    """Settings for a method that another plugin offers, chosen as `recipe=NAME`.

    `recipe=auto` takes it before the method's own when the data is one of `datasets` and its ranges hold the number of
    samples and the view's pixels; without `datasets` only who names it gets it. `source` says where the settings come from
    (without it: the work that is cited).
    """

    name: str
    version: int
    summary: str
    citation: Citation
    method: str
    settings: Mapping[str, Setting]
    source: str = ""
    datasets: tuple[str, ...] = ()
    samples: tuple[int, int] = (0, 2**62)
    pixels: tuple[int, int] = (0, 2**62)

    @property
    def recipe(self) -> Recipe:
        """It as one of the method's own."""
        return Recipe(
            name=self.name, summary=self.summary, settings=self.settings, source=self.source or self.citation.title,
            samples=self.samples, pixels=self.pixels,
        )  # fmt: skip
