"""Check the contract of studies, recipes, references and executors."""

from __future__ import annotations

from collections.abc import Iterator

from sslbench.app.study import find_output_problems
from sslbench.catalog.metrics import installed_metrics
from sslbench.study.definition import list_scales, read_study
from sslbench.testing.check import Subject, check
from sslbench.testing.method_checks import recipe_errors


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


@check(
    "executor",
    change="return '' or one line from missing(), and accept the settings as argument of the implementation",
    needs=("has_an_implementation",),
)
def reports_missing_requirements(subject: Subject) -> Iterator[str]:
    """Without the cluster's packages, users need a one-line message, not a traceback."""
    message = subject.spec.missing()
    if not isinstance(message, str) or "\n" in message:
        yield f"missing() returns {message!r}"
    elif not message:
        subject.component.implementation()(subject.spec.smoke)
