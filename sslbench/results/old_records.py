"""Convert records of schema 1 to the names of schema 2. Numbers stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslbench.old_names import COMPONENTS, METRICS, find_new_path, find_new_value

FIELDS = {"takes_target": "uses_labels", "products": "cpu_matmul_dtype", "labelled": "labeled"}
RANGE_FIELDS = {"least": "min", "most": "max"}
"""Names of the sizes of the smallest and the largest class in schema 1, and their new names."""


def upgrade_record(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tree of a record of schema 1 with the names of schema 2.

    Raises KeyError, TypeError or AttributeError for a tree that is not a record.
    """
    return {
        **values,
        "schema": 2,
        "method": _rename(_upgrade_component(values["method"], "method"), FIELDS),
        "protocols": [_upgrade_component(one, f"protocol_settings.{one['name']}") for one in values["protocols"]],
        "pretrained_on": [_upgrade_data(one) for one in values["pretrained_on"]],
        "evaluated_on": [_upgrade_data(one) for one in values["evaluated_on"]],
        "augmentations": _upgrade_operations(values["augmentations"]),
        "settings": _rename(upgrade_tree(values["settings"]), FIELDS),
        "request": _upgrade_operations(upgrade_tree(values["request"])),
        "scores": [{**score, "metric": METRICS.get(score["metric"], score["metric"])} for score in values["scores"]],
    }


def upgrade_tree(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Rename the settings of a request or of a section at `path`, at any depth."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        old = f"{path}.{name}" if path else str(name)
        new = _new_path(old, isinstance(value, Mapping))
        kept = upgrade_tree(value, new) if isinstance(value, Mapping) else find_new_value(new, value) or value
        found[new.removeprefix(f"{path}.") if path else new] = kept
    return found


def _new_path(old: str, is_section: bool) -> str:
    if old == "protocols" and is_section:  # the settings of protocols; a list of names is the new form
        return "protocol_settings"
    return find_new_path(old) or old


def _upgrade_component(component: Mapping[str, Any], path: str) -> dict[str, Any]:
    return {**component, "settings": upgrade_tree(component.get("settings", {}), path)}


def _upgrade_data(data: Mapping[str, Any]) -> dict[str, Any]:
    found = _rename(_upgrade_component(data, "data"), FIELDS)
    if isinstance(divided := found.get("divided"), Mapping):
        labels = [_rename(one, RANGE_FIELDS) for one in divided.get("labels", ())]
        found["divided"] = {**_rename(divided, RANGE_FIELDS), "labels": labels}
    return found


def _upgrade_operations(value: Any) -> Any:
    """Rename operations and augmentations wherever a tree names one, under `name`."""
    if isinstance(value, Mapping):
        return {
            name: COMPONENTS.get(one, one) if name == "name" and isinstance(one, str) else _upgrade_operations(one)
            for name, one in value.items()
        }
    return [_upgrade_operations(one) for one in value] if isinstance(value, list) else value


def _rename(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}
