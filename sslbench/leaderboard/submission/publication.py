"""Select the fields of a record that a submission publishes.

Fields that are not listed are not published. Free text (reasons, warnings, notes) is not listed, because it may quote paths,
names and error messages of the machine. The machine is published as a hash, which shows that a verification ran elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from sslbench.config.choices import LOCATION_SETTINGS
from sslbench.config.path_settings import list_text_path_settings
from sslbench.convert import to_plain
from sslbench.data.splits import SplitSettings
from sslbench.results.record import Record

DATA = (
    "part", "name", "version", "from", "settings", "fingerprint", "samples", "labeled", "classes", "modalities",
    "intensity_span", "unreadable", "splits", "divided", "missing_classes", "left_out",
)  # fmt: skip
"""Published fields of a dataset."""
TRAINING = ("seed", "fold", "samples", "history", "encoders")
COMPONENT = ("name", "version", "from", "settings", "modality", "size")
METHOD = ("family", "uses_labels", "depends_on_seed", "identical_views", "random_init")
HOST = ("node",)
COST = ("seconds", "samples_per_second", "peak_memory")
LOCATION = LOCATION_SETTINGS[0]
"""The setting of a dataset that holds its folder. The name of a dataset is public."""
UNREADABLE = re.compile(r"(?P<id>.*?): (?P<kind>[A-Za-z_][A-Za-z0-9_]*): ", re.DOTALL)
"""An unreadable sample in a record: its id, the type of the error, and a message."""


def publish(record: Record) -> Record:
    """Return a record with only the fields that may be published, without scores of earlier epochs.

    Settings that name files become PATH/NAME; text settings only if they contain a folder. An unreadable sample is listed by
    its id (its file name below the dataset's root) and the type of the error.
    """
    text_files = (*_file_settings(record, "text_files"), *list_text_path_settings(SplitSettings))
    files = dict.fromkeys(text_files, True)
    files |= dict.fromkeys((LOCATION, *_file_settings(record, "files")), False)
    return replace(
        record,
        reason="",
        warnings=(),
        keys={},
        scores=tuple(score for score in record.scores if score.epoch is None),
        method=_without_paths(_keep_component(record.method) | _keep(record.method, METHOD), files),
        backbones={name: _without_paths(_keep_component(one), files) for name, one in record.backbones.items()},
        protocols=[_without_paths(_keep_component(one), files) for one in record.protocols],
        augmentations=_without_paths(to_plain(record.augmentations), files),
        settings=_without_paths(to_plain(record.settings), files),
        request=_without_paths(to_plain(record.request), files),
        pretrained_on=[_publish_data(data, files) for data in record.pretrained_on],
        evaluated_on=[_publish_data(data, files) for data in record.evaluated_on],
        training=[_keep(one, TRAINING) for one in record.training],
        cost=_keep(record.cost, COST),
        host={name: machine_mark(str(record.host.get(name, ""))) for name in HOST},
    )


def machine_mark(node: str) -> str:
    """Hash the host name: distinguishes machines without identifying them."""
    return hashlib.blake2b(node.encode(), digest_size=6).hexdigest()


def _keep(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: to_plain(values[name]) for name in names if name in values}


def _keep_component(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the published fields of a component, and of the components that it uses."""
    used = {slot: _keep_component(one) for slot, one in values.get("dependencies", {}).items()}
    return _keep(values, COMPONENT) | ({"dependencies": used} if used else {})


def _publish_data(data: Mapping[str, Any], files: Mapping[str, bool]) -> dict[str, Any]:
    kept: dict[str, Any] = _without_paths(_keep(data, DATA), files)
    if "unreadable" in data:
        kept["unreadable"] = [_publish_unreadable(text) for text in data["unreadable"]]
    return kept


def _publish_unreadable(text: str) -> str:
    found = UNREADABLE.match(text)
    if found is None or _is_absolute(found["id"]):
        return "unreadable"
    return f"{found['id']}: {found['kind']}"


def _file_settings(record: Record, kind: str) -> Iterator[str]:
    """Yield the settings that hold files, by type ('files') or as text ('text_files'), as components declare them."""
    components = (
        record.method,
        *record.backbones.values(),
        *record.protocols,
        *record.pretrained_on,
        *record.evaluated_on,
    )
    for component in components:
        yield from component.get(kind, ())


def _without_paths(value: Any, files: Mapping[str, bool]) -> Any:
    """Replace the value of every setting that holds a file, and every absolute path, by PATH/NAME at any depth.

    `files` maps these settings to whether they are text: a text without a folder, such as 'auto', is kept.
    """
    if isinstance(value, Mapping):
        return {
            name: _hide(one) if _is_file(one, files.get(name)) else _without_paths(one, files)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_without_paths(one, files) for one in value]
    return _hide(value) if isinstance(value, str) and _is_absolute(value) else value


def _hide(value: Any) -> Any:
    if isinstance(value, list):
        return [_hide(one) for one in value]
    if not isinstance(value, str):
        return "PATH"
    return f"PATH/{PureWindowsPath(value).name}"  # accepts both kinds of slashes


def _is_file(value: Any, is_text: bool | None) -> bool:
    if is_text:
        texts = value if isinstance(value, list) else [value]
        return any(isinstance(text, str) and ("/" in text or "\\" in text) for text in texts)
    return is_text is not None and value is not None


def _is_absolute(text: str) -> bool:
    return text.startswith("~") or any(kind(text).is_absolute() for kind in (PurePosixPath, PureWindowsPath))
