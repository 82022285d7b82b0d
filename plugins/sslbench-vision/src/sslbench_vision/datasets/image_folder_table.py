"""Read columns of images from a table next to them: CSV or TSV, a manifest or an export of EcoTaxa."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sslbench.api import DataBroken, RequestError
from sslbench_vision.datasets.image_folder_layout import SPLITS

PATH_COLUMNS = (
    "path",
    "file",
    "file_path",
    "filepath",
    "filename",
    "file_name",
    "image",
    "image_path",
    "img_file_name",
)
CLASS_COLUMNS = ("class", "label", "category", "species", "taxon", "object_annotation_category")
SPLIT_COLUMNS = ("split", "subset", "partition", "set")
NAMES = ("manifest", "metadata", "labels", "annotations")
"""Stems of file names of tables; also those that begin with 'ecotaxa'."""

NONE, AUTO = "none", "auto"
RESERVED = frozenset({"id", "class", "split"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTable:
    """A table's rows for the images of a folder: for each image its 'class', 'split' and other columns ('' unknown)."""

    file: Path
    description: str
    rows: tuple[dict[str, str], ...]
    notes: tuple[str, ...]


def find_table(root: Path, setting: str) -> Path | None:
    """Find the table of a folder: the requested one, else a manifest in it, else None.

    Raises RequestError for a requested table that does not exist, and for several manifests.
    """
    if setting == NONE:
        return None
    if setting != AUTO:
        path = root / setting
        if not path.is_file():
            raise RequestError([f"table: {str(path)!r} is not a file. Name it relative to the folder of the images"])
        return path
    found = [
        path
        for path in sorted(root.iterdir())
        if path.suffix.lower() in (".csv", ".tsv")
        and (path.stem.lower() in NAMES or path.stem.lower().startswith("ecotaxa"))
        and _find_column(_read_head(path), PATH_COLUMNS)
    ]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise RequestError([f"table: there are several: {names}. Set data.table to one of them, or data.table=none"])
    return found[0] if found else None


def read_image_table(root: Path, file: Path, names: Sequence[str], columns: Sequence[tuple[str, str]]) -> ImageTable:
    """Read the rows of a table for the images `names` (relative paths); `columns` are settings and columns.

    Raises RequestError for a column that does not exist or a table without any of the images, DataBroken for an image with
    two different rows.
    """
    head, rows = _read_rows(file)
    chosen: dict[str, str] = {}
    for setting, column in columns:
        usual = {"path_column": PATH_COLUMNS, "class_column": CLASS_COLUMNS, "split_column": SPLIT_COLUMNS}[setting]
        if column and column not in head:
            raise RequestError([f"{setting}: {file.name} has no column {column!r}. It has: {', '.join(head)}"])
        chosen[setting] = column or _find_column(head, usual)
    if not chosen["path_column"]:
        problem = f"path_column: {file.name} has no usual column of paths. It has: {', '.join(head)}"
        raise RequestError([f"{problem}. Set data.path_column to one of them"])
    by_path = _match(file, rows, chosen["path_column"], names)
    matched = [by_path.get(name) for name in names]
    if not any(matched):
        problem = f"table: column {chosen['path_column']!r} of {file.name} contains no image of the folder"
        raise RequestError([f"{problem}, such as {names[0]!r}. Set data.path_column, or data.table=none"])
    kept = [name for name in head if name not in chosen.values() and name.strip() and name.lower() not in RESERVED]
    read = tuple(_read_row(row or {}, chosen, kept) for row in matched)
    return ImageTable(
        file=file, rows=read, description=_describe(file, chosen),
        notes=tuple(_note(file, rows, matched, chosen["path_column"])),
    )  # fmt: skip


def _read_head(file: Path) -> list[str]:
    return _read_rows(file, head_only=True)[0]


def _read_rows(file: Path, *, head_only: bool = False) -> tuple[list[str], list[dict[str, str]]]:
    """Read a table's head and rows; the line of types in EcoTaxa's exports ([t], [f]) is skipped."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            line = opened.readline()
            opened.seek(0)
            delimiter = "\t" if "\t" in line else ";" if line.count(";") > line.count(",") else ","
            reader = csv.DictReader(opened, delimiter=delimiter)
            head = list(reader.fieldnames or ())
            rows = [] if head_only else [{name: row[name] or "" for name in head} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataBroken(
            f"{file} cannot be read as a table in UTF-8: {error}. Save it in UTF-8, or set data.table=none"
        ) from error
    return head, [row for row in rows if not all(value in ("[t]", "[f]") for value in row.values())]


def _find_column(head: Sequence[str], usual: Sequence[str]) -> str:
    """Find the first usual name among a table's columns, ignoring case; '' without one."""
    lower = {name.strip().lower(): name for name in reversed(head)}
    return next((lower[name] for name in usual if name in lower), "")


def _match(file: Path, rows: Sequence[dict[str, str]], column: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Find the row of each image by its relative path, else by its file name if it is unique in both."""
    paths = [row[column].replace("\\", "/").strip().removeprefix("./") for row in rows]
    found: dict[str, dict[str, str]] = {}
    known = set(names)
    for path, row in zip(paths, rows, strict=True):
        if path in known and found.setdefault(path, row) != row:
            raise DataBroken(f"{file.name} has two different rows for {path}. Remove one of them")
    images = _find_unique(name for name in names if name not in found)
    tabled = _find_unique(path for path in paths if path not in known)
    row_of = dict(zip(paths, rows, strict=True))
    return found | {images[name]: row_of[path] for name, path in tabled.items() if name in images}


def _find_unique(paths: Iterable[str]) -> dict[str, str]:
    """Return the path of each file name that occurs once."""
    listed = list(paths)
    counts = Counter(PurePosixPath(path).name for path in listed)
    return {PurePosixPath(path).name: path for path in listed if counts[PurePosixPath(path).name] == 1}


def _read_row(row: dict[str, str], chosen: dict[str, str], kept: Sequence[str]) -> dict[str, str]:
    def cell(setting: str) -> str:
        return row.get(chosen[setting], "").strip() if chosen[setting] else ""

    split = cell("split_column")
    values = {"split": SPLITS.get(split.lower(), split), "class": cell("class_column")}
    return values | {name: row.get(name, "") for name in kept}


def _describe(file: Path, chosen: dict[str, str]) -> str:
    facts = {"class": chosen["class_column"], "split": chosen["split_column"]}
    sources = ", ".join(f"{what} from column {column!r}" for what, column in facts.items() if column)
    return (
        f"table {file.name}: files from column {chosen['path_column']!r}, {sources or 'no class and no split column'}"
    )


def _note(
    file: Path, rows: Sequence[dict[str, str]], matched: Sequence[dict[str, str] | None], column: str
) -> list[str]:
    """Return notes about images without a row, and rows without an image."""
    notes = []
    if without := sum(row is None for row in matched):
        notes.append(f"{without:,} of {len(matched):,} images are not in {file.name} and have no label")
    used = {id(row) for row in matched if row is not None}
    if unmatched := [row[column] for row in rows if id(row) not in used]:
        notes.append(f"{len(unmatched):,} of {len(rows):,} rows of {file.name} have no image, such as {unmatched[0]!r}")
    return notes
