"""Compare records with the published numbers of all installed references."""

from __future__ import annotations

from sslbench.analysis.tables.published import PublishedComparison, Recipes, compare_published
from sslbench.api.references import ReferenceSpec
from sslbench.catalog.facts import Catalog
from sslbench.catalog.metrics import installed_metrics
from sslbench.results.answers import read_answers
from sslbench.results.frames import Results


def compare_with_published(catalog: Catalog, results: Results) -> tuple[PublishedComparison, ...]:
    """Return the verdicts of all installed references on these results."""
    answers = {record.run: read_answers(results.root, record) for record in results.records}
    return tuple(
        compare_published(results.records, *references_and_recipes(catalog), installed_metrics(catalog), answers)
    )


def references_and_recipes(catalog: Catalog) -> tuple[list[ReferenceSpec], Recipes]:
    """Return all installed references, and the settings of all recipes by method and recipe name."""
    references = [component.spec for component in catalog.all("reference")]
    recipes = {
        (component.name, recipe.name): recipe.settings
        for component in catalog.all("method")
        for recipe in catalog.recipes(component.spec)
    }
    return references, recipes
