"""Check the contract of studies, recipes and references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sslbench.api.errors import RequestError
from sslbench.api.specs import Kind, MethodSpec, Recipe
from sslbench.api.suggestions import did_you_mean
from sslbench.app.study import find_output_problems
from sslbench.catalog.facts import Catalog
from sslbench.catalog.metrics import installed_metrics
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import LABEL_PRESERVING
from sslbench.config.request_schema import KEYS
from sslbench.config.settings import TrainSettings
from sslbench.convert import convert
from sslbench.environment import places
from sslbench.study.definition import list_scales, read_study
from sslbench.study.grid import make_grid, make_points
from sslbench.testing.check import Subject, check
from sslbench.testing.plans import MACHINE


@check("study", change="correct the YAML file")
def can_be_read(subject: Subject) -> None:
    """An unreadable study is noticed only when its numbers are needed."""
    read_study(subject.spec.file, "")


@check(
    "study",
    change="add scales.smoke with its cost in words: under three minutes, on data that is installed with a dependency",
    needs=("can_be_read",),
)
def has_a_smoke_scale(subject: Subject) -> Iterator[str]:
    """Continuous integration runs every study at its smallest scale."""
    if not read_study(subject.spec.file, "smoke").cost:
        yield "scales.smoke has no cost"


@check(
    "study",
    change="name axes, facts and installed metrics, and correct the file of published numbers",
    needs=("can_be_read",),
)
def has_valid_outputs(subject: Subject) -> Iterator[str]:
    """An unknown name in a table, figure or claim stops the study at the scale that has it."""
    for scale in ("", *list_scales(subject.spec.file)):
        problems = find_output_problems(read_study(subject.spec.file, scale), subject.catalog)
        yield from (f"scale {scale or 'none'}: {problem}" for problem in problems)


@check(
    "study",
    change="name installed components and existing settings with valid values, as in sslbench study run STUDY --plan",
    needs=("has_valid_outputs", "has_a_smoke_scale"),
)
def plans_every_run(subject: Subject) -> Iterator[str]:
    """A run that cannot be planned stops the study before anything runs; data that is missing is replaced."""
    points = make_points(read_study(subject.spec.file, "smoke"), [])
    datasets = DatasetCache(places(), use_placeholders=True)
    try:
        make_grid(points, subject.catalog, datasets, MACHINE, lambda line: None)
    except RequestError as error:
        yield from (f"scale smoke: {problem}" for problem in error.problems)


@check(
    "method", change="correct the recipe's paths and values, or name components that are installed", needs=("builds",)
)
def has_valid_recipes(subject: Subject) -> Iterator[str]:
    """Most users run a recipe: one with a misspelled setting fails for them."""
    for recipe in subject.spec.recipes:
        yield from (
            f"recipe {recipe.name!r}: {problem}" for problem in recipe_errors(recipe, subject.spec, subject.catalog)
        )


def recipe_errors(recipe: Recipe, method: MethodSpec[Any], catalog: Catalog) -> Iterator[str]:
    """Yield unknown settings of a recipe, invalid values, and components that are not installed."""
    unknown = [path for path in recipe.settings if path.partition(".")[0] not in KEYS]
    yield from (f"{path}: no such setting{did_you_mean(path, KEYS)}" for path in unknown)
    for section, cls in (("method", method.config), ("train", TrainSettings)):
        given = {p.partition(".")[2]: v for p, v in recipe.settings.items() if p.startswith(f"{section}.")}
        problems: list[str] = []
        convert(given, cls, section, problems)
        yield from problems
    kinds: tuple[Kind, ...] = ("backbone", "augmentation")
    for kind in kinds:
        name = recipe.settings.get(f"{kind}.name", LABEL_PRESERVING)
        found = catalog.find(kind, str(name)) if name != LABEL_PRESERVING else None
        if isinstance(found, str):
            yield found


@check("recipe", change="use a method, components and settings that are installed")
def matches_its_method(subject: Subject) -> Iterator[str]:
    """A recipe for another plugin's method breaks silently when that method changes."""
    found = subject.catalog.find("method", subject.spec.method)
    if isinstance(found, str):
        yield found
    else:
        yield from recipe_errors(subject.spec.recipe, found[0].spec, subject.catalog)


@check("reference", change="use names of installed methods and recipes, or remove the row")
def names_existing_recipes(subject: Subject) -> Iterator[str]:
    """A row under a recipe that does not exist is never shown."""
    for name in dict.fromkeys(row.method for row in subject.spec.rows):
        found = subject.catalog.find("method", name)
        if isinstance(found, str):
            yield found
        elif subject.spec.recipe not in {recipe.name for recipe in subject.catalog.recipes(found[0].spec)}:
            yield f"method {name!r} has no recipe {subject.spec.recipe!r}"


@check("reference", change="correct the value or the name of the metric", needs=("names_existing_recipes",))
def states_values_in_range(subject: Subject) -> Iterator[str]:
    """A value in percent would differ from every measured one by a factor of 100."""
    metrics = installed_metrics(subject.catalog)
    for row in subject.spec.rows:
        metric = metrics.find(row.metric)
        if not metric.low <= row.value <= metric.high:
            yield f"{row.method} on {row.dataset}: {row.metric} is {row.value:g}, outside [{metric.low}, {metric.high}]"
