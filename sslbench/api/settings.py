"""Declare settings, each with a default and a help text. Imports no torch.

    lr: PositiveFloat = setting(1e-3, "Peak learning rate.")

`sslbench show`, the reference pages and error messages print the same text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def setting(
    default: T,
    help: str,
    *,
    identity: bool = True,
    names_file: bool = False,
    old_names: tuple[str, ...] = (),
    old_values: Mapping[str, str] | None = None,
) -> T:
    """Return a dataclass field with a default and one line of help.

    identity: whether the setting can change a number; without it, the setting enters no stage key.
    names_file: whether the text may be a path; only the file name of such a path is published.
    old_names, old_values: names before a rename, and renamed values (old -> new). Errors state the new ones, and records of
        schema 1 are read with them.
    """
    metadata = {"help": help, "identity": identity, "names_file": names_file}
    return dataclasses.field(
        default=default, metadata={**metadata, "old_names": old_names, "old_values": old_values or {}}
    )


def setting_from(factory: Callable[[], T], help: str, *, old_names: tuple[str, ...] = ()) -> T:
    """Return a dataclass field whose default is a new object each time, such as an empty mapping."""
    return dataclasses.field(default_factory=factory, metadata={"help": help, "old_names": old_names})


def help_of(field: dataclasses.Field[Any]) -> str:
    """Return the help text of a field, or '' if it has none."""
    return str(field.metadata.get("help", ""))


def find_renamed(cls: type[Any], name: str) -> str:
    """Return the name that a setting of a dataclass has now, or '' if `name` is not an old one."""
    return next((field.name for field in dataclasses.fields(cls) if name in field.metadata.get("old_names", ())), "")


def find_renamed_value(field: dataclasses.Field[Any], value: object) -> str:
    """Return the name that a value of a setting has now, or '' if `value` is not an old one."""
    return str(field.metadata.get("old_values", {}).get(str(value), ""))
