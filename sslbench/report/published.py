"""Published numbers of everything installed, beside the records that may stand there."""

from __future__ import annotations

from collections.abc import Sequence

from sslbench.analysis.published import Recipes, Verdict, verdicts
from sslbench.api.references import ReferenceSpec
from sslbench.catalog.facts import Catalog
from sslbench.results.record import Record


def published_beside(catalog: Catalog, records: Sequence[Record]) -> tuple[Verdict, ...]:
    """Every verdict that the installed references give."""
    return tuple(verdicts(records, *references_and_recipes(catalog)))


def references_and_recipes(catalog: Catalog) -> tuple[list[ReferenceSpec], Recipes]:
    """Every installed reference, and every recipe that one may belong to."""
    references = [component.spec for component in catalog.all("reference")]
    recipes = {
        (component.name, recipe.name): recipe.settings
        for component in catalog.all("method")
        for recipe in catalog.recipes(component.spec)
    }
    return references, recipes
