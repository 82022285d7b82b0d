"""Define recipes for methods of other plugins. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sslbench.api.citation import Described
from sslbench.api.specs import Recipe, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSpec(Described):
    """Settings for a method of another plugin, chosen with `recipe=NAME`.

    source: where the settings come from; default: the title of the citation.
    datasets: datasets for which `recipe=auto` prefers this recipe to the method's own; without them it must be named.
    samples, pixels: ranges for `recipe=auto`: number of samples, and pixels of a view.
    """

    method: str
    settings: Mapping[str, Setting]
    source: str = ""
    datasets: tuple[str, ...] = ()
    samples: tuple[int, int] = (0, 2**62)
    pixels: tuple[int, int] = (0, 2**62)

    @property
    def recipe(self) -> Recipe:
        """Return the recipe in the form of a method's own recipes."""
        return Recipe(
            name=self.name, summary=self.summary, settings=self.settings, source=self.source or self.citation.title,
            samples=self.samples, pixels=self.pixels,
        )  # fmt: skip
