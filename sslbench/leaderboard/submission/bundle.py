"""A submission as files: what is in it, and how it is read by somebody who trusts none of it. Judges nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from sslbench.api.errors import SslbenchError
from sslbench.leaderboard.submission.suite import NAME
from sslbench.results.record import Record, record_of
from sslbench.results.store import ASSIGNMENTS, CHOICES, PREDICTIONS

SCHEMA = 1
MANIFEST, RECORD, ANSWERS = "manifest.json", "record.json", "answers.json"
VERIFIED = "verified.json"
REQUIRED_FILES, OPTIONAL_FILES = (RECORD, ANSWERS, PREDICTIONS), (ASSIGNMENTS, CHOICES)
MAX_BYTES = 1_000_000
"""Bytes that a bundle may hold."""
MAX_ROWS = 2_000_000
"""Rows that a table of a bundle may hold: a small file can unpack to anything."""
MAX_TEXT = 500
"""Characters that an id, a setting or a name in a table may have."""
COLUMNS: Mapping[str, Mapping[str, str]] = {
    PREDICTIONS: {
        "dataset": "string", "protocol": "string", "seed": "int64", "fold": "int64", "setting": "string", "id": "string",
        "label": "int64", "predicted": "int64",
    },
    ASSIGNMENTS: {
        "dataset": "string", "protocol": "string", "seed": "int64", "fold": "int64", "setting": "string", "fit": "int64",
        "id": "string", "label": "int64", "cluster": "int64",
    },
}  # fmt: skip


class BundleError(SslbenchError):
    """A bundle that cannot even be read; one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Which test samples, in the order of sorted ids, were answered rightly: bits as hexadecimal digits."""

    dataset: str
    protocol: str
    seed: int
    fold: int
    setting: str
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Who submits what to which suite, under which name, and the SHA-256 of every file."""

    suite: str
    run: str
    entry: str
    by: str
    note: str = ""
    schema: int = SCHEMA
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """That somebody has run it again elsewhere: who, when, how far apart at most, on which record."""

    by: str
    on: str
    machine: str
    record: str
    furthest: float
    where: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle that can be read; whether it is true is another question."""

    path: Path
    manifest: Manifest
    record: Record
    answers: tuple[Answers, ...]
    verified: tuple[Verification, ...] = ()

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.manifest.suite}/{self.manifest.run}"


def bundle_folders(board: Path, suite: str) -> list[Path]:
    """Every bundle's folder of a suite, in order of name."""
    root = board / "results" / suite
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def sha256(content: bytes) -> str:
    """The digest that a manifest holds."""
    return hashlib.sha256(content).hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Read a bundle's small files; raises Refused for what is no bundle."""
    _check_files(path)
    manifest = _convert(Manifest, read_json(path / MANIFEST), path / MANIFEST)
    if manifest.schema != SCHEMA:
        raise BundleError(f"{MANIFEST} is of schema {manifest.schema!r}; this version reads {SCHEMA}")
    for name, value in (("suite", manifest.suite), ("run", manifest.run)):
        if not NAME.fullmatch(str(value)):
            raise BundleError(f"{MANIFEST}: {name} {value!r:.60} is no name; possible: letters, digits and . _ + -")
    for name, value, most in (("entry", manifest.entry, 80), ("by", manifest.by, 80), ("note", manifest.note, 500)):
        _check_text(name, value, most)
    values = read_json(path / RECORD)
    try:
        record = record_of(values)
    except (ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"{RECORD}: {' '.join(str(error).split())}") from error
    answers = tuple(_convert(Answers, one, path / ANSWERS) for one in _as_list(read_json(path / ANSWERS), ANSWERS))
    verified = read_json(path / VERIFIED) if (path / VERIFIED).exists() else []
    return Bundle(
        path=path, manifest=manifest, record=record, answers=answers,
        verified=tuple(_convert(Verification, one, path / VERIFIED) for one in _as_list(verified, VERIFIED)),
    )  # fmt: skip


def _check_files(path: Path) -> None:
    """Plain files of known names, small enough together."""
    there = sorted(path.iterdir())
    for file in there:
        if file.is_symlink() or not file.is_file():
            raise BundleError(f"{file.name} is no plain file")
        if file.name not in (MANIFEST, VERIFIED, *REQUIRED_FILES, *OPTIONAL_FILES):
            raise BundleError(
                f"{file.name} is no file of a bundle; possible: {', '.join((MANIFEST, *REQUIRED_FILES, *OPTIONAL_FILES))}"
            )
    size = sum(file.stat().st_size for file in there)
    if size > MAX_BYTES:
        raise BundleError(f"holds {size:,} bytes; at most {MAX_BYTES:,} are taken")
    for name in (MANIFEST, *REQUIRED_FILES):
        if not (path / name).is_file():
            raise BundleError(f"{name} is missing")


def _check_text(name: str, value: Any, most: int) -> None:
    if not isinstance(value, str) or len(value) > most or not value.isprintable() or (name != "note" and not value):
        raise BundleError(f"{MANIFEST}: {name} {value!r:.60} is no line of at most {most} printable characters")


def read_json(path: Path) -> Any:
    """Read JSON without infinities and without nesting that breaks the reader; raises Refused."""

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not finite")

    try:
        return json.loads(path.read_bytes(), parse_constant=refuse)
    except (ValueError, RecursionError, OSError) as error:
        raise BundleError(f"{path.name}: cannot be read as JSON: {' '.join(str(error).split())}") from error


def _as_list(values: Any, name: str) -> list[Any]:
    if not isinstance(values, list):
        raise BundleError(f"{name}: expected a list")
    return values


def _convert(cls: type[Any], values: Any, path: Path) -> Any:
    """A flat dataclass from JSON, every field of its own type."""
    kinds = {"str": str, "int": int, "float": (int, float), "Mapping[str, str]": dict}
    if not isinstance(values, dict):
        raise BundleError(f"{path.name}: expected settings, got {values!r:.40}")
    try:
        made = cls(**values)
    except TypeError as error:
        raise BundleError(f"{path.name}: {str(error).replace('.__init__()', '')}") from error
    for name, kind in cls.__annotations__.items():
        value = getattr(made, name)
        if not isinstance(value, kinds[kind]) or isinstance(value, bool):  # type: ignore[arg-type]
            raise BundleError(f"{path.name}: {name} is {value!r:.60}, expected {kind}")
        if kind == "Mapping[str, str]" and not all(isinstance(one, str) for one in value.values()):
            raise BundleError(f"{path.name}: {name} holds what is no text")
    return made


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file of a bundle whose columns and size are as announced; raises Refused.

    Texts are read as dictionaries: a small file could hold one long text for millions of rows.
    """
    wanted = COLUMNS[path.name]
    texts = [name for name, kind in wanted.items() if kind == "string"]
    try:
        schema = parquet.read_schema(path)
        kinds = {name: str(kind) for name, kind in zip(schema.names, schema.types, strict=True)}
        if kinds != dict(wanted):
            raise BundleError(f"{path.name} has columns {kinds}; expected {dict(wanted)}")
        opened = parquet.ParquetFile(path, read_dictionary=texts)
        if opened.metadata.num_rows > MAX_ROWS:
            raise BundleError(f"{path.name} holds {opened.metadata.num_rows:,} rows; at most {MAX_ROWS:,} are taken")
        frame: pd.DataFrame = opened.read().to_pandas()
    except (OSError, arrow.ArrowException) as error:
        raise BundleError(f"{path.name}: cannot be read as Parquet: {' '.join(str(error).split())}") from error
    if frame.isna().any().any():
        raise BundleError(f"{path.name} holds empty cells")
    for name in texts:
        if (longest := max(map(len, frame[name].cat.categories), default=0)) > MAX_TEXT:
            raise BundleError(f"{path.name}: {name} holds {longest:,} characters; at most {MAX_TEXT} are taken")
    return frame.astype(dict.fromkeys(texts, object))


def pack_bits(right: NDArray[np.bool_]) -> str:
    """Truth values as hexadecimal digits, eight in two, the last filled with zeros."""
    return np.packbits(right).tobytes().hex()


def unpack_bits(digits: str, n: int) -> NDArray[np.bool_]:
    """The n truth values again; raises ValueError for other than n of them."""
    packed = np.frombuffer(bytes.fromhex(digits), np.uint8)
    if len(packed) != -(-n // 8):
        raise ValueError(f"{len(digits)} digits are not those of {n} samples")
    return np.unpackbits(packed, count=n).astype(bool)
