"""Declare one setting: its default and its help text. Imports no torch.

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

    Without `identity` the setting changes no number, and enters no key of a stage. A text that may name a file states
    `names_file`: of such a path only the file name is published.
    """
    metadata = {"help": help, "identity": identity, "names_file": names_file}
    return dataclasses.field(default=default, metadata=metadata)


def setting_from(factory: Callable[[], T], help: str) -> T:
    """Return a dataclass field whose default is made anew each time, such as an empty mapping, with one line of help."""
    return dataclasses.field(default_factory=factory, metadata={"help": help})


def help_of(field: dataclasses.Field[Any]) -> str:
    """Return the help text of a field, or '' if it has none."""
    return str(field.metadata.get("help", ""))
