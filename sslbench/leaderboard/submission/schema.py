"""Check the types of a record, and the files, names and sizes of a bundle. Computes no numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from sslbench.convert import list_type_errors, to_plain
from sslbench.leaderboard.submission.bundle import (
    MANIFEST,
    OPTIONAL_FILES,
    RECORD,
    REMEDY,
    REQUIRED_FILES,
    Bundle,
    sha256,
)
from sslbench.leaderboard.submission.recompute import is_setting
from sslbench.results.record import Record

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}")
MAX_TEXT = 2000
"""Maximum number of characters in a text of a record."""
MAX_TYPE_ERRORS = 10
"""Maximum number of wrong types that are listed."""


def schema_errors(bundle: Bundle) -> Iterator[str]:
    """List schema errors; nothing may be computed from a bundle with errors."""
    yield from _file_errors(bundle)
    if errors := list_type_errors(bundle.record):
        yield from (f"{RECORD}: {error}" for error in errors[:MAX_TYPE_ERRORS])
        if len(errors) > MAX_TYPE_ERRORS:
            yield f"{RECORD}: has {len(errors) - MAX_TYPE_ERRORS} more values of a wrong type"
        return
    yield from _name_errors(bundle)
    yield from _field_errors(bundle.record)


def _file_errors(bundle: Bundle) -> Iterator[str]:
    """Require every file to have the digest in the manifest."""
    present = [name for name in (*REQUIRED_FILES, *OPTIONAL_FILES) if (bundle.path / name).exists()]
    for name in sorted({*present, *bundle.manifest.files}):
        if name not in present:
            yield f"{MANIFEST} lists {name}, which is missing. {REMEDY}"
        elif sha256((bundle.path / name).read_bytes()) != bundle.manifest.files.get(name):
            yield f"{name}: was changed after its submission: its SHA-256 is not that in {MANIFEST}. {REMEDY}"


def _name_errors(bundle: Bundle) -> Iterator[str]:
    """Require safe names, because they become files, columns and links."""
    record, manifest = bundle.record, bundle.manifest
    if bundle.path.name != manifest.run or bundle.path.parent.name != manifest.suite:
        yield f"is in {bundle.path.parent.name}/{bundle.path.name}, but {MANIFEST} states {manifest.suite}/{manifest.run}"
    if manifest.run != record.run:
        yield f"{MANIFEST} states run {manifest.run}, but the record states {record.run!r:.60}"
    try:
        named = [("method", record.method["name"]), ("method.from", record.method["from"].split()[0])]
        named += [(f"backbones.{m}", b["name"]) for m, b in record.backbones.items()]
        named += [("augmentations", a["name"]) for a in record.augmentations]
        named += [("evaluated_on", d["part"]) for d in record.evaluated_on]
        named += [("protocols", p["name"]) for p in record.protocols]
        named += [("scores", s.metric) for s in record.scores]
        named += [("varied", one.name) for one in record.varied]
        versions = [record.method["version"], *(p["version"] for p in record.protocols)]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        yield f"{RECORD}: lacks a value, or has one of a wrong type ({type(error).__name__} {error}). {REMEDY}"
        return
    for where, name in dict.fromkeys((where, str(name)) for where, name in named):
        if not NAME_PATTERN.fullmatch(name):
            yield f"{RECORD}: {where} {name!r:.60} is not a valid name. Use letters, digits and . _ / + -"
    if not all(type(version) is int for version in versions):
        yield f"{RECORD}: every version must be a whole number"


def _field_errors(record: Record) -> Iterator[str]:
    """Require finite numbers, settings of scores that can be read, and texts of limited length."""
    yield from (f"{RECORD}: {problem}" for problem in _oversized(_tree(record), ""))
    for score in record.scores:
        if not is_setting(score.setting):
            yield f"{RECORD}: not a score: {score!r:.160}"
            return
    for number in _numbers(record.cost):
        if not math.isfinite(number) or number < 0:
            yield f"{RECORD}: cost {number}: must be finite and at least 0"


def _tree(record: Record) -> dict[str, Any]:
    return {
        name: to_plain(getattr(record, name)) if name == "varied" else getattr(record, name)
        for name in record.__dataclass_fields__
        if name not in ("scores", "classes", "labels")
    }


def _oversized(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        yield f"{path.lstrip('.')} has {len(value):,} characters; at most {MAX_TEXT:,} are allowed"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path.lstrip('.')} is {value}, which is not finite"
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _oversized(one, f"{path}.{name:.60}")
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _oversized(one, path)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)):
        yield float(value)
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _numbers(one)
