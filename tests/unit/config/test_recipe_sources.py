"""Every constant of every installed recipe is its source's: `recipe_sources.yaml` states both, and this file compares them."""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.settings import TrainSettings, ViewSettings

CATALOG = discover(installed_entries())
RECIPES = {
    f"{component.name}/{recipe.name}": (component.spec, recipe)
    for component in CATALOG.all("method")
    for recipe in CATALOG.recipes(component.spec)
}
GROUPS = yaml.safe_load((Path(__file__).parents[2] / "recipe_sources.yaml").read_text())


def matching(group) -> list[str]:
    """The recipes that a group of constants is of."""
    return [
        name
        for name in RECIPES
        if any(fnmatch(name, pattern) for pattern in group["for"])
        and not any(fnmatch(name, pattern) for pattern in group.get("except", ()))
    ]


def stated() -> dict[str, dict[str, list]]:
    """Recipe -> setting -> values, one for every group that states it."""
    found: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for group in GROUPS:
        for name in matching(group):
            for path, value in group["settings"].items():
                found[name][path].append(value)
    return found


def plain(value):
    """Sequences as lists, as YAML has them."""
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def resolved(name: str, path: str):
    """The value that a run with a recipe has: the recipe's, else the component's or the training's default."""
    method, recipe = RECIPES[name]
    head, *rest = path.split(".")
    if path in recipe.settings:
        return recipe.settings[path]
    if head == "method":
        return getattr(method.config(), rest[0])
    if head in ("train", "view"):
        return getattr({"train": TrainSettings, "view": ViewSettings}[head](), rest[0])
    if head == "augmentation":
        return of_augmentation(recipe, rest)
    component, implied = CATALOG.find("backbone", recipe.settings[f"{head}.name"])
    return implied.get(rest[0], getattr(component.spec.config(), rest[0]))


def of_augmentation(recipe, rest: list[str]):
    """The value of an operation, for one role ('roles', role, operation, setting) or for all (operation, setting)."""
    augmentation = CATALOG.find("augmentation", recipe.settings["augmentation.name"])[0].spec
    operation, setting = rest[-2:]
    if f"augmentation.{operation}.{setting}" in recipe.settings:
        return recipe.settings[f"augmentation.{operation}.{setting}"]
    if rest[0] == "roles" and setting in augmentation.roles.get(rest[1], {}).get(operation, {}):
        return augmentation.roles[rest[1]][operation][setting]
    apply = augmentation.operations[operation]
    if setting == "p":
        return apply.p
    spec = CATALOG.find("operation", apply.operation)[0].spec
    return apply.settings.get(setting, getattr(spec.config(), setting))


@pytest.mark.parametrize("name", RECIPES)
def test_every_constant_is_its_sources(name):
    rows = stated()[name]
    assert RECIPES[name][1].source, "the recipe names no source"
    twice = [path for path, values in rows.items() if len(values) > 1]
    assert not twice, "stated by several groups"
    without = [path for path in RECIPES[name][1].settings if path not in rows]
    assert not without, "add these settings to recipe_sources.yaml, with their source"
    found = {path: plain(resolved(name, path)) for path in rows}
    assert found == {path: values[0] for path, values in rows.items()}


def test_every_group_names_its_source_and_is_of_a_recipe():
    assert len(GROUPS) > 10
    for group in GROUPS:
        assert group["source"], group
        assert matching(group), group
        for pattern in group["for"]:
            assert any(fnmatch(name, pattern) for name in RECIPES), pattern


def test_a_recipes_source_is_shown(cli):
    assert "recipe original: " in (shown := cli("show", "method", "dino").stdout)
    assert "(source: DINO, section 3.2 and appendix; facebookresearch/dino, main_dino.py)" in shown.replace("\n", " ")
