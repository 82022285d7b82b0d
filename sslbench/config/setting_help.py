"""Describe settings: path, type, default, allowed values and help, from the dataclasses that define them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

from sslbench.api.errors import RequestError
from sslbench.api.ranges import Range, limits_in
from sslbench.api.settings import find_renamed, help_of
from sslbench.api.specs import Kind
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.facts import Catalog
from sslbench.config.settings import ModalitySettings, PretrainSettings, TrainSettings, ViewSettings
from sslbench.data.canvas import PrepareSettings
from sslbench.data.splits import SplitSettings

SECTIONS: Mapping[str, type[Any]] = {
    "train": TrainSettings,
    "splits": SplitSettings,
    "prepare": PrepareSettings,
    "view": ViewSettings,
    "pretrain": PretrainSettings,
    "modalities.NAME": ModalitySettings,
}
"""The harness's own sections of a request."""
COMPONENT_SECTIONS: Mapping[str, Kind] = {
    "method": "method",
    "backbone": "backbone",
    "data": "dataset",
    "augmentation": "operation",
    "protocol_settings": "protocol",
    "executor": "executor",
}
"""Sections whose settings belong to a component, such as `method.NAME`."""
TYPES = {int: "whole number", float: "number", bool: "true or false", str: "text", Path: "path", type(None): "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingHelp:
    """One setting as users write it; `allowed` is '' if every value of the type is possible."""

    path: str
    type: str
    default: Any
    allowed: str
    help: str


def describe_section(catalog: Catalog, section: str) -> Iterator[SettingHelp]:
    """Describe the settings of a section, such as `train`, `protocol_settings.knn` or `method.NAME`.

    Raises RequestError for a section that does not exist, or a component that is not installed.
    """
    head, _, name = section.partition(".")
    if section in SECTIONS or (head == "modalities" and name):
        yield from describe_settings(SECTIONS.get(section, ModalitySettings), section)
    elif head in COMPONENT_SECTIONS and name:
        found = catalog.find(COMPONENT_SECTIONS[head], name)
        if isinstance(found, str):
            raise RequestError([found])
        component, implied = found
        yield from describe_settings(component.spec.config, prefix_of(COMPONENT_SECTIONS[head], name), implied)
    else:
        known = [*SECTIONS, *(f"{one}.NAME" for one in COMPONENT_SECTIONS)]
        raise RequestError([f"{section!r} is not a section of settings{did_you_mean(section, known)}"])


def find_setting(name: str) -> str:
    """Return the full path of a setting that was written without its section, such as `train.lr` for `lr` or `rate`.

    Old and misspelled names are recognized. Returns '' where no section has such a setting.
    """
    paths = [f"{section}.{field.name}" for section, cls in SECTIONS.items() for field in dataclasses.fields(cls)]
    for section, cls in SECTIONS.items():
        if (path := f"{section}.{find_renamed(cls, name) or name}") in paths:
            return path
    names = {path.rpartition(".")[2]: path for path in reversed(paths)}
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    return names[close[0]] if close else ""


def prefix_of(kind: Kind, name: str) -> str:
    """Return the section in which a component's settings are written."""
    sections = {"dataset": "data", "protocol": f"protocol_settings.{name}", "operation": "augmentation.LABEL"}
    return sections.get(kind, kind)


def describe_settings(
    config: type[Any], prefix: str, implied: Mapping[str, Any] | None = None
) -> Iterator[SettingHelp]:
    """Describe every setting of a dataclass; `implied` values replace its defaults."""
    stated, defaults = get_type_hints(config, include_extras=True), config()
    for field in dataclasses.fields(config):
        hint = stated[field.name]
        limits = [str(limit) for limit in limits_in(hint) if str(limit) != str(Range())]
        yield SettingHelp(
            path=f"{prefix}.{field.name}",
            type=type_name(hint),
            default=(implied or {}).get(field.name, getattr(defaults, field.name)),
            allowed="; ".join(limits),
            help=help_of(field),
        )


def type_name(hint: Any) -> str:
    """Return the description of a type: 'whole number', 'list of text', "one of 'sgd', 'adam'"."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_name(args[0])
    if origin is Literal:
        return "one of " + ", ".join(repr(value) for value in args)
    if origin is tuple:
        return f"list of {type_name(args[0])}" if args[-1] is Ellipsis else f"{len(args)} of {type_name(args[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "settings by name"
    if args:
        return " or ".join(dict.fromkeys(type_name(one) for one in args))
    return TYPES.get(cast(type, hint), getattr(hint, "__name__", str(hint)))
