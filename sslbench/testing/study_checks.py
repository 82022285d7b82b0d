"""What studies, references and executors promise."""

from __future__ import annotations

from collections.abc import Iterator

from sslbench.study.definition import read_study
from sslbench.testing.check import Subject, check
from sslbench.testing.method_checks import recipe_errors


@check("study", change="mend the YAML file")
def can_be_read(subject: Subject) -> None:
    """A study that cannot be read is found out when somebody wants its numbers."""
    read_study(subject.spec.file, "")


@check(
    "study",
    change="add scales.smoke with its cost in words: under three minutes, on data that a dependency ships",
    needs=("can_be_read",),
)
def has_a_smoke_scale(subject: Subject) -> Iterator[str]:
    """Continuous integration runs every study at its smallest scale."""
    if not read_study(subject.spec.file, "smoke").cost:
        yield "scales.smoke says nothing of its cost"


@check("recipe", change="name a method and components that are installed, and settings that they have")
def matches_its_method(subject: Subject) -> Iterator[str]:
    """A recipe for somebody else's method breaks silently when that method changes."""
    found = subject.catalog.find("method", subject.spec.method)
    if isinstance(found, str):
        yield found
    else:
        yield from recipe_errors(subject.spec.recipe, found[0].spec, subject.catalog)


@check("reference", change="name methods and recipes as they are installed, or drop the row")
def names_existing_recipes(subject: Subject) -> Iterator[str]:
    """A row under a recipe that nobody has is never shown, and nobody would notice."""
    for name in dict.fromkeys(row.method for row in subject.spec.rows):
        found = subject.catalog.find("method", name)
        if isinstance(found, str):
            yield found
        elif subject.spec.recipe not in {recipe.name for recipe in subject.catalog.recipes(found[0].spec)}:
            yield f"method {name!r} has no recipe {subject.spec.recipe!r}"


@check(
    "executor",
    change="return '' or one line from missing(), and give the implementation the settings as its argument",
    needs=("has_an_implementation",),
)
def reports_missing_requirements(subject: Subject) -> Iterator[str]:
    """A machine without the cluster gives the user one line, not a traceback."""
    sentence = subject.spec.missing()
    if not isinstance(sentence, str) or "\n" in sentence:
        yield f"missing() gives {sentence!r}"
    elif not sentence:
        subject.component.implementation()(subject.spec.smoke)
