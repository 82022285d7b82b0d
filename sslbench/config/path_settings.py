"""Find settings that name files."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path
from typing import Any, get_args


def list_path_settings(cls: type[Any]) -> list[str]:
    """List the settings of a dataclass whose type is a file or folder, alone or among others."""
    return [name for name, kind in typing.get_type_hints(cls).items() if _holds_path(kind)]


def list_text_path_settings(cls: type[Any]) -> list[str]:
    """List the settings of a dataclass that are text and may be a path: those with `names_file` in their metadata."""
    return [field.name for field in dataclasses.fields(cls) if field.metadata.get("names_file")]


def _holds_path(kind: Any) -> bool:
    return kind is Path or any(_holds_path(one) for one in get_args(kind))
