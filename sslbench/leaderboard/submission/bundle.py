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
NEEDED, ALSO = (RECORD, ANSWERS, PREDICTIONS), (ASSIGNMENTS, CHOICES)
LARGEST = 1_000_000
"""Bytes that a bundle may hold."""
MOST_ROWS = 2_000_000
"""Rows that a table of a bundle may hold: a small file can unpack to anything."""
LONGEST_TEXT = 500
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


class Refused(SslbenchError):
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


def folders(board: Path, suite: str) -> list[Path]:
    """Every bundle's folder of a suite, in order of name."""
    root = board / "results" / suite
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def sha256(content: bytes) -> str:
    """The digest that a manifest holds."""
    return hashlib.sha256(content).hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Read a bundle's small files; raises Refused for what is no bundle."""
    _only_known(path)
    manifest = _made(Manifest, read_json(path / MANIFEST), path / MANIFEST)
    if manifest.schema != SCHEMA:
        raise Refused(f"{MANIFEST} is of schema {manifest.schema!r}; this version reads {SCHEMA}")
    for name, value in (("suite", manifest.suite), ("run", manifest.run)):
        if not NAME.fullmatch(str(value)):
            raise Refused(f"{MANIFEST}: {name} {value!r:.60} is no name; possible: letters, digits and . _ + -")
    for name, value, most in (("entry", manifest.entry, 80), ("by", manifest.by, 80), ("note", manifest.note, 500)):
        _text(name, value, most)
    values = read_json(path / RECORD)
    try:
        record = record_of(values)
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"{RECORD}: {' '.join(str(error).split())}") from error
    answers = tuple(_made(Answers, one, path / ANSWERS) for one in _listed(read_json(path / ANSWERS), ANSWERS))
    verified = read_json(path / VERIFIED) if (path / VERIFIED).exists() else []
    return Bundle(
        path=path, manifest=manifest, record=record, answers=answers,
        verified=tuple(_made(Verification, one, path / VERIFIED) for one in _listed(verified, VERIFIED)),
    )  # fmt: skip


def _only_known(path: Path) -> None:
    """Plain files of known names, small enough together."""
    there = sorted(path.iterdir())
    for file in there:
        if file.is_symlink() or not file.is_file():
            raise Refused(f"{file.name} is no plain file")
        if file.name not in (MANIFEST, VERIFIED, *NEEDED, *ALSO):
            raise Refused(f"{file.name} is no file of a bundle; possible: {', '.join((MANIFEST, *NEEDED, *ALSO))}")
    size = sum(file.stat().st_size for file in there)
    if size > LARGEST:
        raise Refused(f"holds {size:,} bytes; at most {LARGEST:,} are taken")
    for name in (MANIFEST, *NEEDED):
        if not (path / name).is_file():
            raise Refused(f"{name} is missing")


def _text(name: str, value: Any, most: int) -> None:
    if not isinstance(value, str) or len(value) > most or not value.isprintable() or (name != "note" and not value):
        raise Refused(f"{MANIFEST}: {name} {value!r:.60} is no line of at most {most} printable characters")


def read_json(path: Path) -> Any:
    """Read JSON without infinities and without nesting that breaks the reader; raises Refused."""

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not finite")

    try:
        return json.loads(path.read_bytes(), parse_constant=refuse)
    except (ValueError, RecursionError, OSError) as error:
        raise Refused(f"{path.name}: cannot be read as JSON: {' '.join(str(error).split())}") from error


def _listed(values: Any, name: str) -> list[Any]:
    if not isinstance(values, list):
        raise Refused(f"{name}: expected a list")
    return values


def _made(cls: type[Any], values: Any, path: Path) -> Any:
    """A flat dataclass from JSON, every field of its own type."""
    kinds = {"str": str, "int": int, "float": (int, float), "Mapping[str, str]": dict}
    if not isinstance(values, dict):
        raise Refused(f"{path.name}: expected settings, got {values!r:.40}")
    try:
        made = cls(**values)
    except TypeError as error:
        raise Refused(f"{path.name}: {str(error).replace('.__init__()', '')}") from error
    for name, kind in cls.__annotations__.items():
        value = getattr(made, name)
        if not isinstance(value, kinds[kind]) or isinstance(value, bool):  # type: ignore[arg-type]
            raise Refused(f"{path.name}: {name} is {value!r:.60}, expected {kind}")
        if kind == "Mapping[str, str]" and not all(isinstance(one, str) for one in value.values()):
            raise Refused(f"{path.name}: {name} holds what is no text")
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
            raise Refused(f"{path.name} has columns {kinds}; expected {dict(wanted)}")
        opened = parquet.ParquetFile(path, read_dictionary=texts)
        if opened.metadata.num_rows > MOST_ROWS:
            raise Refused(f"{path.name} holds {opened.metadata.num_rows:,} rows; at most {MOST_ROWS:,} are taken")
        frame: pd.DataFrame = opened.read().to_pandas()
    except (OSError, arrow.ArrowException) as error:
        raise Refused(f"{path.name}: cannot be read as Parquet: {' '.join(str(error).split())}") from error
    if frame.isna().any().any():
        raise Refused(f"{path.name} holds empty cells")
    for name in texts:
        if (longest := max(map(len, frame[name].cat.categories), default=0)) > LONGEST_TEXT:
            raise Refused(f"{path.name}: {name} holds {longest:,} characters; at most {LONGEST_TEXT} are taken")
    return frame.astype(dict.fromkeys(texts, object))


def bits(right: NDArray[np.bool_]) -> str:
    """Truth values as hexadecimal digits, eight in two, the last filled with zeros."""
    return np.packbits(right).tobytes().hex()


def unbits(digits: str, n: int) -> NDArray[np.bool_]:
    """The n truth values again; raises ValueError for other than n of them."""
    packed = np.frombuffer(bytes.fromhex(digits), np.uint8)
    if len(packed) != -(-n // 8):
        raise ValueError(f"{len(digits)} digits are not those of {n} samples")
    return np.unpackbits(packed, count=n).astype(bool)
