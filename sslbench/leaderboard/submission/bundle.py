"""Read the files of a submission without trusting their content."""

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
from sslbench.convert import convert
from sslbench.leaderboard.submission.suite import NAME
from sslbench.results.class_scores import BEST_CLASSES, CLASS_SCORES, RANK
from sslbench.results.record import Record, record_of
from sslbench.results.store import ASSIGNMENTS, CHOICES, PREDICTIONS, VECTORS

SCHEMA = 1
MANIFEST, RECORD, ANSWERS = "manifest.json", "record.json", "answers.json"
VERIFIED = "verified.json"
REQUIRED_FILES, OPTIONAL_FILES = (RECORD, ANSWERS, PREDICTIONS), (ASSIGNMENTS, CHOICES, VECTORS)
REMEDY = "Submit the run's folder again, unchanged"
"""Advice for a bundle whose files do not agree."""
MAX_BYTES = 1_000_000
"""Maximum size of a bundle in bytes."""
MAX_ROWS = 2_000_000
"""Maximum rows of a table of a bundle: a small file can unpack to very many."""
MAX_NUMBERS = 20_000_000
"""Maximum numbers in a column of lists."""
MAX_TEXT = 500
"""Maximum number of characters of an id, a setting or a name in a table."""
COLUMNS: Mapping[str, Mapping[str, str]] = {
    PREDICTIONS: {
        "dataset": "string", "protocol": "string", "seed": "int64", "fold": "int64", "setting": "string", "id": "string",
        "label": "int64", "predicted": "int64",
    },
    VECTORS: {
        "dataset": "string", "protocol": "string", "seed": "int64", "fold": "int64", "setting": "string", "id": "string",
        "label": "numbers", "predicted": "numbers",
    },
    ASSIGNMENTS: {
        "dataset": "string", "protocol": "string", "seed": "int64", "fold": "int64", "setting": "string", "fit": "int64",
        "id": "string", "label": "int64", "cluster": "int64",
    },
}  # fmt: skip

SCORE_KINDS: Mapping[str, str] = {RANK: "int32", BEST_CLASSES: "codes", CLASS_SCORES: "halves"}
VARIANTS: Mapping[str, tuple[Mapping[str, str], ...]] = {
    PREDICTIONS: ({}, SCORE_KINDS), VECTORS: ({}, {"predicted": "halves"})
}  # fmt: skip
"""Columns that a table may have in addition or of another type: bundles of older versions have neither."""
LISTS: Mapping[str, arrow.DataType] = {
    "numbers": arrow.list_(arrow.float64()), "halves": arrow.list_(arrow.float16()), "codes": arrow.list_(arrow.int32())
}  # fmt: skip
"""Types of columns of lists."""


class BundleError(SslbenchError):
    """A bundle that cannot be read; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Right answers to test samples in the order of sorted ids, as bits in hexadecimal digits."""

    dataset: str
    protocol: str
    seed: int
    fold: int
    setting: str
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The suite, run, entry name and submitter of a bundle, and the SHA-256 of every file."""

    suite: str
    run: str
    entry: str
    by: str
    note: str = ""
    schema: int = SCHEMA
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A reproduction on another machine: who, when, the largest difference (`furthest`, at `where`), and the record."""

    by: str
    on: str
    machine: str
    record: str
    furthest: float
    where: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle that was read but not checked."""

    path: Path
    manifest: Manifest
    record: Record
    answers: tuple[Answers, ...]
    verified: tuple[Verification, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of the bundle in messages."""
        return f"{self.manifest.suite}/{self.manifest.run}"


def bundle_folders(board: Path, suite: str) -> list[Path]:
    """List the bundle folders of a suite by name."""
    root = board / "results" / suite
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def sha256(content: bytes) -> str:
    """Return the SHA-256 of content as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Read the small files of a bundle. Raises BundleError if it is not a bundle."""
    _check_files(path)
    manifest = _convert(Manifest, read_json(path / MANIFEST), MANIFEST)
    if manifest.schema != SCHEMA:
        fix = "Update sslbench, or submit the run again"
        raise BundleError(f"{MANIFEST}: has format {manifest.schema!r}, but this sslbench reads {SCHEMA}. {fix}")
    for name, value in (("suite", manifest.suite), ("run", manifest.run)):
        if not NAME.fullmatch(value):
            raise BundleError(f"{MANIFEST}: {name} {value!r:.60} is not a valid name. Use letters, digits and . _ + -")
    for name, value, limit in (("entry", manifest.entry, 80), ("by", manifest.by, 80), ("note", manifest.note, 500)):
        _check_text(name, value, limit)
    values = read_json(path / RECORD)
    try:
        record = record_of(values)
    except (ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"{RECORD}: {' '.join(str(error).split())}") from error
    answers = _convert_list(Answers, read_json(path / ANSWERS), ANSWERS)
    verified = read_json(path / VERIFIED) if (path / VERIFIED).exists() else []
    return Bundle(
        path=path, manifest=manifest, record=record, answers=answers,
        verified=_convert_list(Verification, verified, VERIFIED),
    )  # fmt: skip


def _check_files(path: Path) -> None:
    """Require regular files with known names and a limited total size."""
    files = sorted(path.iterdir())
    for file in files:
        if file.is_symlink() or not file.is_file():
            raise BundleError(f"{file.name} is not a regular file")
        if file.name not in (MANIFEST, VERIFIED, *REQUIRED_FILES, *OPTIONAL_FILES):
            raise BundleError(
                f"{file.name} is not a file of a bundle. Allowed: {', '.join((MANIFEST, *REQUIRED_FILES, *OPTIONAL_FILES))}"
            )
    size = sum(file.stat().st_size for file in files)
    if size > MAX_BYTES:
        raise BundleError(f"has {size:,} bytes; at most {MAX_BYTES:,} are allowed")
    for name in (MANIFEST, *REQUIRED_FILES):
        if not (path / name).is_file():
            raise BundleError(f"{name} is missing. {REMEDY}")


def _check_text(name: str, value: str, limit: int) -> None:
    if len(value) > limit or not value.isprintable() or (name != "note" and not value):
        raise BundleError(f"{MANIFEST}: {name} {value!r:.60} must be one line of at most {limit} printable characters")


def read_json(path: Path) -> Any:
    """Read JSON. Raises BundleError for infinities, very deep nesting, and unreadable files."""

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not finite")

    try:
        return json.loads(path.read_bytes(), parse_constant=refuse)
    except (ValueError, RecursionError, OSError) as error:
        raise BundleError(f"{path.name}: cannot be read as JSON: {' '.join(str(error).split())}") from error


def _convert(cls: type[Any], values: Any, file: str, path: str = "") -> Any:
    """Convert a JSON object to a dataclass. Raises BundleError with every problem."""
    problems: list[str] = []
    made = convert(values, cls, path, problems, source="json")
    if problems:
        raise BundleError("; ".join(f"{file}: {problem}" for problem in problems))
    return made


def _convert_list(cls: type[Any], values: Any, file: str) -> tuple[Any, ...]:
    if not isinstance(values, list):
        raise BundleError(f"{file}: expected a list")
    return tuple(_convert(cls, one, file, f"[{place}]") for place, one in enumerate(values))


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file of a bundle. Raises BundleError for other columns, too many rows, or empty cells.

    Text columns are read as dictionaries, because a small file may hold one long text for millions of rows.
    """
    wanted = COLUMNS[path.name]
    texts = [name for name, kind in wanted.items() if kind == "string"]
    try:
        schema = parquet.read_schema(path)
        kinds = {name: kind_of(kind) for name, kind in zip(schema.names, schema.types, strict=True)}
        if kinds not in ({**wanted, **variant} for variant in VARIANTS.get(path.name, ({},))):
            raise BundleError(f"{path.name} has columns {kinds}; expected {dict(wanted)}")
        opened = parquet.ParquetFile(path, read_dictionary=texts)
        if opened.metadata.num_rows > MAX_ROWS:
            raise BundleError(f"{path.name} has {opened.metadata.num_rows:,} rows; at most {MAX_ROWS:,} are allowed")
        if (numbers := _count_numbers(opened.metadata)) > MAX_NUMBERS:
            raise BundleError(f"{path.name} has a column of {numbers:,} numbers; at most {MAX_NUMBERS:,} are allowed")
        frame: pd.DataFrame = opened.read().to_pandas()
    except (OSError, arrow.ArrowException) as error:
        raise BundleError(f"{path.name}: cannot be read as Parquet: {' '.join(str(error).split())}") from error
    if frame.isna().any().any():
        raise BundleError(f"{path.name} has empty cells. {REMEDY}")
    for name in texts:
        if (longest := max(map(len, frame[name].cat.categories), default=0)) > MAX_TEXT:
            raise BundleError(f"{path.name}: {name} has {longest:,} characters; at most {MAX_TEXT} are allowed")
    return frame.astype(dict.fromkeys(texts, object))


def kind_of(kind: arrow.DataType) -> str:
    """Return the name that `COLUMNS` has for the type of a column."""
    lists = (name for name, one in LISTS.items() if arrow.types.is_list(kind) and kind.value_type == one.value_type)
    return next(lists, str(kind))


def _count_numbers(metadata: Any) -> int:
    """Return the largest number of values of a column."""
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    return max((sum(one.column(c).num_values for one in groups) for c in range(metadata.num_columns)), default=0)


def pack_bits(right: NDArray[np.bool_]) -> str:
    """Pack booleans into hexadecimal digits, eight per two digits, padded with zeros."""
    return np.packbits(right).tobytes().hex()


def unpack_bits(digits: str, n: int) -> NDArray[np.bool_]:
    """Unpack n booleans from hexadecimal digits. Raises ValueError for another number of them."""
    packed = np.frombuffer(bytes.fromhex(digits), np.uint8)
    if len(packed) != -(-n // 8):
        raise ValueError(f"{len(digits)} hexadecimal digits of {ANSWERS} do not fit {n} test samples")
    return np.unpackbits(packed, count=n).astype(bool)
