"""Define the top-level keys of a request and their types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sslbench.api.ranges import NonNegativeInt
from sslbench.api.settings import find_renamed, setting
from sslbench.config.setting_help import find_setting
from sslbench.convert import convert

Settings = Mapping[str, Any]
Sections = Mapping[str, Mapping[str, Any] | None]
COMPONENTS = ("method", "backbone", "augmentation", "data")
NAMED_SECTIONS = ("backbones", "modalities", "protocol_settings")
HINTS = {
    "protocol_settings": "write protocol_settings.knn.neighbors=[20]",
    "backbones": "one for every modality is backbone=NAME",
    "train": "write train.epochs=5",
    "data": "name it with data=NAME, its folder with data.root=FOLDER",
    "method": "name it with method=NAME, its settings with method.SETTING=VALUE",
    "backbone": "name it with backbone=NAME, its settings with backbone.SETTING=VALUE",
    "augmentation": "name it with augmentation=NAME, its settings with augmentation.OPERATION.SETTING=VALUE",
    "modalities": "write modalities.NAME.facts=[]",
    "view": "write view.size=64",
    "prepare": "write prepare.samples=1000",
    "splits": "write splits.folds=5",
    "pretrain": "write pretrain.pool=all",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSchema:
    """Top-level keys of a request with their types; null means not set."""

    method: Settings | None = setting(None, "Method: its name and settings.")
    backbone: Settings | None = setting(None, "Encoder of all modalities: its name and settings.")
    augmentation: Settings | None = setting(None, "Augmentation: its name and the settings of its operations.")
    data: Settings | None = setting(None, "Dataset: its name, or NAME/PART, and settings.")
    train: Settings | None = setting(None, "Settings of pretraining.")
    view: Settings | None = setting(None, "Settings of the views that encoders receive.")
    prepare: Settings | None = setting(None, "Settings of the preparation of datasets.")
    splits: Settings | None = setting(None, "Settings of the division into training, validation and test samples.")
    pretrain: Settings | None = setting(None, "Settings of the pretraining data.")
    recipe: str | None = setting(None, "Recipe of the method: auto (the first that suits the data), none, or a name.")
    backbones: Mapping[str, str | Mapping[str, Any] | None] | None = setting(
        None, "Encoder of each modality; modalities without one are not used."
    )
    modalities: Sections | None = setting(None, "Settings of each modality.")
    protocol_settings: Sections | None = setting(None, "Settings of each protocol.")
    protocols: str | tuple[str, ...] | None = setting(
        None, "Protocols that evaluate the encoders (null: the default ones).", old_names=("measure",)
    )
    baselines: str | tuple[str, ...] | None = setting(
        None, "Baselines in the table: names, or none (null: all installed)."
    )
    evaluate: str | None = setting(None, "Dataset, or NAME/PART, to evaluate on (null: the one in `data`).")
    seeds: Any = setting(None, "Seeds of pretraining (null: 0, 1 and 2).")
    folds: Any = setting(None, "Folds to evaluate: all, one, or a list (null: 0).")
    threads: NonNegativeInt | None = setting(
        None, "Threads of each process (null or 0: chosen by the data and machine)."
    )


KEYS = tuple(one.name for one in fields(RequestSchema))


def drop_invalid(tree: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Drop values of the wrong type (reporting each) and nulls, so that the rest can be validated.

    A component name that is null is dropped; a section that is null becomes empty.
    """
    kept = {}
    for key, value in tree.items():
        found = _problems(str(key), value)
        problems += found
        if not found and value is not None:
            kept[str(key)] = _without_nulls(str(key), _typed(str(key), value))
    return kept


def _typed(key: str, value: Any) -> Any:
    """Convert a value to the type of its key; lists stay lists."""
    found = getattr(convert({key: value}, RequestSchema, "", []), key)
    return list(found) if isinstance(found, tuple) else found


def _problems(key: str, value: Any) -> list[str]:
    if key == "protocols" and isinstance(value, Mapping):  # the old name of `protocol_settings`
        return [f"protocols.{name} is now protocol_settings.{name}" for name in value]
    if key not in KEYS and not find_renamed(RequestSchema, key) and (suggestion := find_setting(key)):
        return [f"{key}: no such setting. Did you mean '{suggestion}'?"]
    problems: list[str] = []
    convert({key: value}, RequestSchema, "", problems)
    name = value.get("name") if key in COMPONENTS and isinstance(value, Mapping) else None
    if name is not None and not isinstance(name, str):
        problems.append(f"{key}.name={name!r:.60}: must be text")
    hint = HINTS.get(key, "")
    return [f"{problem}; {hint}" if hint and problem.startswith(f"{key}=") else problem for problem in problems]


def _without_nulls(key: str, value: Any) -> Any:
    if key in COMPONENTS:
        return {name: one for name, one in value.items() if name != "name" or one is not None}
    if key in NAMED_SECTIONS:
        return {name: {} if one is None else one for name, one in value.items()}
    return value
