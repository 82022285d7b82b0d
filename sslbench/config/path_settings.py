"""Find settings that name files, and put the content of such files into keys."""

from __future__ import annotations

import dataclasses
import hashlib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from sslbench.convert import to_plain


def list_path_settings(cls: type[Any]) -> list[str]:
    """List the settings of a dataclass whose type is a file or folder, alone or among others."""
    return [name for name, kind in typing.get_type_hints(cls).items() if _holds_path(kind)]


def list_text_path_settings(cls: type[Any]) -> list[str]:
    """List the settings of a dataclass that are text and may be a path: those with `names_file` in their metadata."""
    return [field.name for field in dataclasses.fields(cls) if field.metadata.get("names_file")]


def _holds_path(kind: Any) -> bool:
    return kind is Path or any(_holds_path(one) for one in get_args(kind))


def to_key_form(value: Any) -> Any:
    """Return a value as it enters a key: a file by its content's digest, without the fields that change no number."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [f for f in dataclasses.fields(value) if f.metadata.get("identity", True)]
        return {f.name: to_key_form(getattr(value, f.name)) for f in fields}
    if isinstance(value, Mapping):
        return {str(name): to_key_form(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_key_form(item) for item in value]
    if isinstance(value, Path):
        return hashlib.blake2b(value.read_bytes()).hexdigest() if value.is_file() else str(value)
    return to_plain(value)
