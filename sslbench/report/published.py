"""Published numbers of everything installed, beside the records that may stand there."""

from __future__ import annotations

from collections.abc import Sequence

from sslbench.analysis.published import Verdict, verdicts
from sslbench.catalog.facts import Catalog
from sslbench.results.record import Record


def published_beside(catalog: Catalog, records: Sequence[Record]) -> tuple[Verdict, ...]:
    """Every verdict that the installed references give."""
    references = [component.spec for component in catalog.all("reference")]
    recipes = {
        (component.name, recipe.name): recipe.settings
        for component in catalog.all("method")
        for recipe in catalog.recipes(component.spec)
    }
    return tuple(verdicts(records, references, recipes))
