"""Convert records of schema 1 to the names of schema 2. Numbers stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sslbench.old_names import COMPONENT_SETTINGS, COMPONENTS, METRICS, find_new_path, find_new_value

FIELDS = {"takes_target": "uses_labels", "products": "cpu_matmul_dtype", "labelled": "labeled"}
RANGE_FIELDS = {"least": "min", "most": "max"}
"""Names of the sizes of the smallest and the largest class in schema 1, and their new names."""

SECTIONS = {"method": "method", "data": "dataset", "backbone": "backbone", "augmentation": "augmentation"}
"""Sections of a request that name one component, and its kind."""


def upgrade_record(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tree of a record of schema 1 with the names of schema 2.

    Raises KeyError, TypeError or AttributeError for a tree that is not a record.
    """
    return {
        **values,
        "schema": 2,
        "method": _rename(_upgrade_component(values["method"], "method"), FIELDS),
        "protocols": [_upgrade_component(one, "protocol") for one in values["protocols"]],
        "pretrained_on": [_upgrade_data(one) for one in values["pretrained_on"]],
        "evaluated_on": [_upgrade_data(one) for one in values["evaluated_on"]],
        "augmentations": [_upgrade_augmentation(one) for one in values["augmentations"]],
        "settings": _rename(upgrade_tree(values["settings"]), FIELDS),
        "request": _upgrade_request(values["request"]),
        "scores": [{**score, "metric": METRICS.get(score["metric"], score["metric"])} for score in values["scores"]],
    }


def upgrade_tree(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Rename the settings of a request or of a section at `path`, at any depth, except those of components."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        old = f"{path}.{name}" if path else str(name)
        new = find_new_path(old) or old
        kept = upgrade_tree(value, new) if isinstance(value, Mapping) else value
        found[new.removeprefix(f"{path}.") if path else new] = kept
    return found


def upgrade_settings(settings: Mapping[str, Any], component: str) -> dict[str, Any]:
    """Rename the settings of a component and their values; `component` is its KIND/NAME."""
    names = COMPONENT_SETTINGS.get(component, {})
    renamed = {names.get(name, name): value for name, value in settings.items()}
    return {name: find_new_value(name, value, component) or value for name, value in renamed.items()}


def _upgrade_request(request: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section, value in request.items():
        if not isinstance(value, Mapping):
            found |= upgrade_tree({section: value})
        elif section in SECTIONS:
            found[section] = _upgrade_choice(value, SECTIONS[section])
        elif section == "protocols":  # the settings of protocols; a list of names is the new form
            found["protocol_settings"] = {
                name: upgrade_settings(own, f"protocol/{name}") if isinstance(own, Mapping) else own
                for name, own in value.items()
            }
        else:
            found |= upgrade_tree({section: value})
    if isinstance(pretrain := found.get("pretrain"), Mapping) and isinstance(pretrain.get("settings"), Mapping):
        settings = _upgrade_choice({"name": pretrain.get("pool"), **pretrain["settings"]}, "dataset")
        found["pretrain"] = {**pretrain, "settings": {k: v for k, v in settings.items() if k != "name"}}
    return found


def _upgrade_choice(section: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Rename a component, and the settings that are written next to its name."""
    name = re.split("[/+]", str(section.get("name", "")))[0]
    renamed = COMPONENTS.get(kind, {}).get(name)
    return {**upgrade_settings(section, f"{kind}/{name}"), **({"name": renamed} if renamed else {})}


def _upgrade_component(component: Mapping[str, Any], kind: str) -> dict[str, Any]:
    settings = upgrade_settings(component.get("settings", {}), f"{kind}/{component['name']}")
    return {**component, "settings": settings}


def _upgrade_augmentation(augmentation: Mapping[str, Any]) -> dict[str, Any]:
    roles = {
        role: [_upgrade_operation(one) for one in operations] for role, operations in augmentation["roles"].items()
    }
    name = augmentation["name"]
    return {**augmentation, "name": COMPONENTS["augmentation"].get(name, name), "roles": roles}


def _upgrade_operation(operation: Mapping[str, Any]) -> dict[str, Any]:
    name = COMPONENTS["operation"].get(operation["name"], operation["name"])
    return {**operation, "name": name, "config": upgrade_settings(operation["config"], f"operation/{name}")}


def _upgrade_data(data: Mapping[str, Any]) -> dict[str, Any]:
    found = _rename(_upgrade_component(data, "dataset"), FIELDS)
    if isinstance(divided := found.get("divided"), Mapping):
        labels = [_rename(one, RANGE_FIELDS) for one in divided.get("labels", ())]
        found["divided"] = {**_rename(divided, RANGE_FIELDS), "labels": labels}
    return found


def _rename(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}
