"""Turn values into keys: everything that a stage's output depends on is one value, and its key is the value's digest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from sslbench.convert import to_plain
from sslbench.environment import versions

HARNESS = ("sslbench",)


@runtime_checkable
class HasKeyForm(Protocol):
    """A value with its own key form, such as a component: its name, version and settings."""

    def key_form(self) -> Any:
        """Return plain values that are equal for values that give equal numbers."""
        ...


def to_key_form(value: Any) -> Any:
    """Return a value as it enters a key: a file by its content's digest, without the fields that change no number."""
    if isinstance(value, HasKeyForm) and not isinstance(value, type):
        return value.key_form()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return fields_key_form(value)
    if isinstance(value, Mapping):
        return {str(name): to_key_form(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_key_form(item) for item in value]
    if isinstance(value, Path):
        return hashlib.blake2b(value.read_bytes()).hexdigest() if value.is_file() else str(value)
    return to_plain(value)


def fields_key_form(value: Any) -> dict[str, Any]:
    """Return the key form of each field of a dataclass, without those that change no number (`identity=False`)."""
    fields = [field for field in dataclasses.fields(value) if field.metadata.get("identity", True)]
    return {field.name: to_key_form(getattr(value, field.name)) for field in fields}


def digest(*values: Any) -> str:
    """Return a short hash of plain values."""
    text = json.dumps([to_plain(value) for value in values], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StageInputs:
    """Everything that the output of a stage depends on, and all that the stage may read.

    A field without effect holds its default, so that equal outputs have equal keys. Inputs may contain those of an earlier
    stage, whose key is then part of the key.
    """

    kind: ClassVar[str]

    @cached_property
    def key(self) -> str:
        """Return the digest of all fields and of the harness's version."""
        return digest(self.kind, versions(HARNESS), fields_key_form(self))

    def key_form(self) -> str:
        """Return the key, which identifies the stage in the keys of later ones."""
        return self.key
