"""Convert records of schema 1 to the names of schema 2, and those of schema 2 to schema 3. Numbers stay as they are.

Specs and settings state their old names (see `sslbench.api.setting`). What is not installed keeps the names of the record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any

from sslbench import environment
from sslbench.api.settings import find_renamed, find_renamed_value
from sslbench.api.specs import Kind
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.facts import Catalog
from sslbench.config.request_schema import RequestSchema
from sslbench.config.setting_help import SECTIONS
from sslbench.data.label_subsets import declared_settings

FIELDS = {"takes_target": "uses_labels", "products": "cpu_matmul_dtype", "labelled": "labeled"}
RANGE_FIELDS = {"least": "min", "most": "max"}
"""Names of the sizes of the smallest and the largest class in schema 1, and their new names."""
CHOICES: Mapping[str, Kind] = {
    "method": "method", "data": "dataset", "backbone": "backbone", "augmentation": "augmentation",
}  # fmt: skip
"""Sections of a request that name one component, and its kind."""


@lru_cache(maxsize=1)
def installed_catalog() -> Catalog:
    """Return the installed components, discovered once, when the first old file is read."""
    return discover(installed_entries(), disabled=environment.disabled_plugins())


def upgrade_record(values: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return the tree of a record of schema 1 with the names of schema 2.

    Raises KeyError, TypeError or AttributeError for a tree that is not a record.
    """
    metrics = {old: one.name for one in catalog.all("metric") for old in one.spec.old_names}
    return {
        **values,
        "schema": 2,
        "method": _rename(_upgrade_component(values["method"], "method", catalog), FIELDS),
        "backbones": {m: _upgrade_component(one, "backbone", catalog) for m, one in values["backbones"].items()},
        "protocols": [_upgrade_component(one, "protocol", catalog) for one in values["protocols"]],
        "pretrained_on": [_upgrade_data(one, catalog) for one in values["pretrained_on"]],
        "evaluated_on": [_upgrade_data(one, catalog) for one in values["evaluated_on"]],
        "augmentations": [_upgrade_augmentation(one, catalog) for one in values["augmentations"]],
        "settings": _rename(_upgrade_sections(values["settings"]), FIELDS),
        "request": _upgrade_request(values["request"], catalog),
        "scores": [{**score, "metric": metrics.get(score["metric"], score["metric"])} for score in values["scores"]],
    }


def upgrade_settings(settings: Mapping[str, Any], kind: Kind, name: str, catalog: Catalog) -> dict[str, Any]:
    """Rename the settings of a component and their values; `name` is its present or an old name.

    Members of families keep their settings, because resolving their names may import torch.
    """
    found = catalog.components.get(kind, {}).get(name) or catalog.find_renamed(kind, name)
    return _rename_settings(settings, getattr(found.spec, "config", None) if found else None)


def _rename_settings(settings: Mapping[str, Any], config: type[Any] | None) -> dict[str, Any]:
    known = {one.name: one for one in fields(config)} if config else {}
    names = {old: one.name for one in known.values() for old in one.metadata.get("old_names", ())}
    return {
        name: (find_renamed_value(known[name], value) if name in known else "") or value
        for name, value in _rename(settings, names).items()
    }


def _new_name(name: str, kind: Kind, catalog: Catalog) -> str:
    """Return a component's present name; files next to a record name datasets and protocols too, so these keep theirs."""
    renamed = None if kind in ("dataset", "protocol") else catalog.find_renamed(kind, name)
    return renamed.name if renamed else name


def _upgrade_sections(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the settings of the sections of a request, except those of components."""
    return {
        name: _rename_settings(value, SECTIONS.get(name)) if isinstance(value, Mapping) else value
        for name, value in tree.items()
    }


def _upgrade_request(request: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section, value in _upgrade_sections(request).items():
        if section in CHOICES and isinstance(value, Mapping):
            found[section] = _upgrade_choice(value, CHOICES[section], catalog)
        elif section == "protocols" and isinstance(value, Mapping):  # a list of names is the new form
            found["protocol_settings"] = {
                name: upgrade_settings(own, "protocol", name, catalog) if isinstance(own, Mapping) else own
                for name, own in value.items()
            }
        else:
            found[find_renamed(RequestSchema, section) or section] = value
    if isinstance(pretrain := found.get("pretrain"), Mapping) and isinstance(pretrain.get("settings"), Mapping):
        settings = upgrade_settings(pretrain["settings"], "dataset", str(pretrain.get("pool")).split("/")[0], catalog)
        found["pretrain"] = {**pretrain, "settings": settings}
    return found


def _upgrade_choice(section: Mapping[str, Any], kind: Kind, catalog: Catalog) -> dict[str, Any]:
    """Rename a component, and the settings that are written next to its name."""
    written = str(section.get("name", ""))
    name = re.split("[/+:]", written)[0]
    renamed = {"name": _new_name(name, kind, catalog) + written[len(name) :]} if name else {}
    return {**upgrade_settings(section, kind, name, catalog), **renamed}


def _upgrade_component(
    component: Mapping[str, Any], kind: Kind, catalog: Catalog, settings: str = "settings"
) -> dict[str, Any]:
    """Rename a component, and its settings in the entry `settings`."""
    name = component["name"]
    renamed = upgrade_settings(component.get(settings, {}), kind, name, catalog)
    return {**component, "name": _new_name(name, kind, catalog), settings: renamed}


def _upgrade_augmentation(augmentation: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    roles = {
        role: [_upgrade_component(one, "operation", catalog, "config") for one in operations]
        for role, operations in augmentation["roles"].items()
    }
    return {**augmentation, "name": _new_name(augmentation["name"], "augmentation", catalog), "roles": roles}


def _upgrade_data(data: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    found = _rename(_upgrade_component(data, "dataset", catalog), FIELDS)
    if isinstance(divided := found.get("divided"), Mapping):
        labels = [_rename(one, RANGE_FIELDS) for one in divided.get("labels", ())]
        found["divided"] = {**_rename(divided, RANGE_FIELDS), "labels": labels}
    return found


def _rename(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def declare_settings(values: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return the tree of a record of schema 2 with the settings that its installed protocols declare, as schema 3 has them.

    Raises KeyError, TypeError or AttributeError for a tree that is not a record.
    """
    names = [one["name"] for one in values["protocols"]]
    return {**values, "schema": 3, "varied": list_declared(names, catalog)}


def list_declared(protocols: Iterable[str], catalog: Catalog) -> list[dict[str, Any]]:
    """List the settings that tasks and these protocols vary as trees; a protocol that is not installed adds none."""
    known = catalog.components.get("protocol", {})
    return [asdict(one) for one in declared_settings(known[name].spec for name in protocols if name in known)]
