"""Declare settings, each with a default and a help text. Imports no torch.

    lr: PositiveFloat = setting(1e-3, "Peak learning rate.")

`sslbench show`, the reference pages and error messages print the same text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def setting(default: T, help: str, *, identity: bool = True, names_file: bool = False) -> T:
    """Return a dataclass field with a default and one line of help.

    identity: whether the setting can change a number; without it, the setting enters no stage key.
    names_file: whether the text may be a path; only the file name of such a path is published.
    """
    metadata = {"help": help, "identity": identity, "names_file": names_file}
    return dataclasses.field(default=default, metadata=metadata)


def setting_from(factory: Callable[[], T], help: str) -> T:
    """Return a dataclass field whose default is a new object each time, such as an empty mapping."""
    return dataclasses.field(default_factory=factory, metadata={"help": help})


def help_of(field: dataclasses.Field[Any]) -> str:
    """Return the help text of a field, or '' if it has none."""
    return str(field.metadata.get("help", ""))
