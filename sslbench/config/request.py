"""Read and merge a request: defaults < recipe < YAML file < `key=value`.

`plan.py` converts the merged tree to typed settings. Interpolation (by OmegaConf) can refer to other settings, but not to
environment variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sslbench.api.errors import RequestError
from sslbench.api.specs import Recipe
from sslbench.config.request_schema import COMPONENTS, drop_invalid
from sslbench.yaml_values import parse_override, read_yaml

Tree = dict[str, Any]


def read_request(file: Path | None, options: Mapping[str, Any], overrides: Sequence[str]) -> Tree:
    """Merge a YAML file, the command line's options and `key=value` overrides; later ones take precedence.

    Raises RequestError for an unreadable file, a malformed override, or layers that cannot be merged.
    """
    OmegaConf.clear_resolver("oc.env")
    problems: list[str] = []
    layers = [_file(file, problems), OmegaConf.create(dict(options)), _overrides(overrides, problems)]
    if problems:
        raise RequestError(problems)
    try:
        merged = OmegaConf.merge(*[_expand_names(layer) for layer in layers])
        tree = OmegaConf.to_container(merged, resolve=True)
    except TypeError as error:  # one layer has a list where another has settings
        for layer in layers:
            drop_invalid(_content(layer), problems)
        raise RequestError(problems or [f"request: {error}"]) from error
    except OmegaConfBaseException as error:
        raise RequestError([f"request: {' '.join(str(error).split())}"]) from error
    assert isinstance(tree, dict)
    return {str(name): value for name, value in tree.items()}


def with_recipe(tree: Tree, recipe: Recipe) -> Tree:
    """Merge a recipe into a request, whose own settings take precedence.

    Where the request names another backbone or augmentation than the recipe, the recipe's settings below it are dropped.
    """
    result: Tree = _copy(tree)
    for component in ("backbone", "augmentation"):
        requested, own = tree.get(component, {}).get("name"), recipe.settings.get(f"{component}.name")
        if requested is not None and requested != own:
            dropped = f"{component}."
            recipe = Recipe(
                name=recipe.name,
                summary=recipe.summary,
                settings={path: v for path, v in recipe.settings.items() if not path.startswith(dropped)},
            )
    for path, value in recipe.settings.items():
        _set_defaults(result, path.split("."), list(value) if isinstance(value, tuple) else value)
    return result


def _set_defaults(tree: Tree, path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree.setdefault(path[-1], value)


def _copy(tree: Any) -> Any:
    return {name: _copy(value) for name, value in tree.items()} if isinstance(tree, dict) else tree


def _file(file: Path | None, problems: list[str]) -> DictConfig:
    if file is None:
        return OmegaConf.create({})
    try:
        loaded = read_yaml(file)
        if loaded is not None and not isinstance(loaded, dict):
            raise ValueError(f"{file}: contains no settings. Write 'key: value' lines")
        return OmegaConf.create(loaded or {})
    except ValueError as error:
        problems.append(str(error))
    except OmegaConfBaseException as error:
        problems.append(f"{file}: {' '.join(str(error).split())}")
    return OmegaConf.create({})


def _overrides(overrides: Sequence[str], problems: list[str]) -> DictConfig:
    layer = OmegaConf.create({})
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals or not name or name.startswith("-"):
            problems.append(f"{text!r}: expected key=value, such as train.epochs=20")
            continue
        try:
            OmegaConf.update(layer, name, parse_override(value))
        except (OmegaConfBaseException, ValueError, TypeError) as error:
            problems.append(f"{text!r}: {' '.join(str(error).split())}")
    return layer


def _content(layer: DictConfig) -> dict[str, Any]:
    return {str(name): value for name, value in OmegaConf.to_container(layer).items()}  # type: ignore[union-attr]


def _expand_names(layer: DictConfig) -> DictConfig:
    """Replace `method: NAME` by `method: {name: NAME}`, and `backbones: {image: NAME}` by `{image: {name: NAME}}`."""
    for component in COMPONENTS:
        if isinstance(value := layer.get(component), str):
            layer[component] = {"name": value}
    if isinstance(backbones := layer.get("backbones"), DictConfig):
        for modality in list(backbones):
            if not OmegaConf.is_interpolation(backbones, modality) and isinstance(backbones[modality], str):
                backbones[modality] = {"name": backbones[modality]}
    return layer
