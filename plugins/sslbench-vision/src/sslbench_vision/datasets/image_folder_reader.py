"""Read a folder of images: list the files, label them by folders or a table, and decode them."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import (
    DataBroken,
    DataDescription,
    DataMissing,
    Dataset,
    Modality,
    RequestError,
    Source,
    Target,
    UnexpectedFormat,
)
from sslbench.api.files import digest_files, fingerprint, name_sample, unpack
from sslbench.api.image_listing import list_images
from sslbench.api.image_options import ImageOptions
from sslbench.api.image_set import ImageSet
from sslbench_vision.datasets.file_times import read_time
from sslbench_vision.datasets.image_folder import ImageFolderConfig
from sslbench_vision.datasets.image_folder_layout import AmbiguousLayoutError, recognize_layout, settle_split
from sslbench_vision.datasets.image_folder_table import AUTO, NONE, find_table, read_image_table
from sslbench_vision.datasets.other_formats import recognize_other_format

MAX_LISTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeling:
    """Split, class and other columns of each image, and their source."""

    rows: tuple[dict[str, str], ...]
    description: str
    notes: tuple[str, ...]
    table: Path | None = None


def open_folder(config: ImageFolderConfig, source: Source) -> Dataset:
    """List and label the images of a folder.

    Raises DataMissing without a root, UnexpectedFormat for a folder without images in folders, RequestError for settings that
    do not fit or are missing.
    """
    if source.root is None:
        raise DataMissing("no folder named")
    root = _open_root(source.root, source.work)
    listing = list_images(root, config.skip, (source.work,))
    if not listing.files:
        other = recognize_other_format(root)
        hint = f"It looks like {other.description}" if other else "Set data.root to the folder above the images"
        raise UnexpectedFormat(f"{source.root} has no readable image file. {hint}", other.name if other else "")
    folder = ImageFolder(root, listing.files, config, source.work / "fingerprints", listing.skipped)
    is_stated = config.levels or config.classes or config.table not in (AUTO, NONE)
    if len(folder.target.names) == 1 and not is_stated:
        name, other = folder.target.names[0], recognize_other_format(root)
        problem = f"all labeled images of {source.root} are in one folder, {name!r}"
        hint = f"; it looks like {other.description}" if other else ""
        fix = (
            f"Set data.root to that folder if they have no labels, or data.levels=[class] if {name!r} is the only class"
        )
        raise UnexpectedFormat(f"{problem}{hint}. {fix}", other.name if other else "")
    return folder


def _open_root(root: Path, work: Path) -> Path:
    """Open a folder, or unpack a zip file; raises DataMissing if it does not exist, DataBroken for another file."""
    if root.is_dir():
        return root
    if not root.is_file():
        raise DataMissing(f"looked in {root}")
    if root.suffix.lower() != ".zip":
        raise DataBroken(
            f"{root} is a file but not a zip file. Unpack it, and set data.root to the folder of its images"
        )
    stamp = root.stat()
    return unpack(root, work / "extracted" / f"{root.stem}-{stamp.st_size}-{stamp.st_mtime_ns}")


class ImageFolder:
    """Images below a root, labeled by their folders or a table."""

    def __init__(
        self,
        root: Path,
        files: Sequence[Path],
        config: ImageFolderConfig,
        cache: Path,
        skipped: Mapping[str, Sequence[str]],
    ) -> None:
        self.root, self.cache, self.skipped = root, cache, skipped
        self.labeling = label_images(root, files, config)
        digests = digest_files(root, files, cache)
        self.kept, self.dropped = choose_rows(self.labeling.rows, digests, config)
        self.digests = [digests[i] for i in self.kept]
        rows = [self.labeling.rows[i] for i in self.kept]
        self.files = [files[i] for i in self.kept]
        names = tuple(sorted({row["class"] for row in rows} - {""}))
        codes = {name: code for code, name in enumerate(names)} | {"": -1}
        self.labels = np.array([codes[row["class"]] for row in rows], np.int64)
        self.target = Target(kind="class", names=names) if names else Target(kind="none")
        self.columns: Mapping[str, NDArray[np.str_]] = {
            "id": np.array([name_sample(root, path) for path in self.files]),
            **_label_columns(rows),
            **_name_columns(self.files, config),
            **_copy_column(self.digests),
        }
        options = ImageOptions(
            channels=config.channels, pages=config.pages, intensity_range=config.intensity_range,
            max_pixels=config.max_pixels,
        )  # fmt: skip
        self.images = ImageSet(root, self.files, cache, options)
        if problems := self.images.find_problems():
            raise RequestError(problems)
        shape = (self.images.channels, 0, 0)
        self.modalities: Mapping[str, Modality] = {"image": Modality(layout="image", shape=shape)}

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Height and width [n, 2] of each image."""
        return self.images.sizes

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Decode one file: uint8 [C, H, W]."""
        return {"image": self.images.read(row)}

    def describe(self) -> DataDescription:
        """Describe the layout, the files and what was skipped."""
        facts = {"layout": self.labeling.description, **self.images.describe()}
        if self.skipped:
            facts["skipped"] = "; ".join(_count_examples(reason, paths) for reason, paths in self.skipped.items())
        notes = [*self.labeling.notes, *self.dropped]
        if "copy" in self.columns:
            notes.append(
                "splits.groups=copy keeps identical files on one side of a split; data.copies=drop reads one of each"
            )
        return DataDescription(facts=facts, notes=tuple(notes))

    def contents(self) -> Sequence[str]:
        """Return a digest of each file's bytes."""
        return self.digests

    def fingerprint(self) -> str:
        """Return a digest of names, sizes and contents, including the table's."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        files = fingerprint(self.root, self.files, self.cache, self.digests)
        if self.labeling.table is None:
            return files
        content = f"{files}\0".encode() + self.labeling.table.read_bytes()  # the table may lie anywhere
        return hashlib.blake2b(content, digest_size=16).hexdigest()


def label_images(root: Path, files: Sequence[Path], config: ImageFolderConfig) -> Labeling:
    """Label images by the table next to them, else by their folders; raises RequestError if they are ambiguous."""
    table = find_table(root, NONE if config.levels and config.table == AUTO else config.table)
    try:
        if table is not None:
            return _label_by_table(root, table, files, config)
        layout = recognize_layout([path.relative_to(root).parts[:-1] for path in files], config.levels)
    except AmbiguousLayoutError as error:
        raise RequestError([str(error)]) from error
    return Labeling(rows=layout.rows, description=layout.description, notes=layout.notes)


def _label_by_table(root: Path, table: Path, files: Sequence[Path], config: ImageFolderConfig) -> Labeling:
    names = [name_sample(root, path) for path in files]
    columns = [(name, getattr(config, name)) for name in ("path_column", "class_column", "split_column")]
    table_read = read_image_table(root, table, names, columns)
    rows, notes = settle_split(table_read.rows)
    return Labeling(rows=rows, description=table_read.description, notes=(*table_read.notes, *notes), table=table)


def choose_rows(
    rows: Sequence[Mapping[str, str]], digests: Sequence[str], config: ImageFolderConfig
) -> tuple[list[int], list[str]]:
    """Choose the images to use, by class and, with copies=drop, one of each; and return notes about the others.

    Raises RequestError for a requested class without images, and if no image is left.
    """
    counts = Counter(row["class"] for row in rows if row["class"])
    if unknown := [name for name in config.classes if name not in counts]:
        near = difflib.get_close_matches(unknown[0], counts, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else f"; there are {', '.join(sorted(counts)[:8])}, …"
        raise RequestError([f"classes: {len(unknown)} without any image, such as {unknown[0]!r}{hint}"])
    used = {"", *(name for name in config.classes or counts if counts[name] >= config.min_class_samples)}
    kept = [i for i, row in enumerate(rows) if row["class"] in used]
    if not kept:
        problem = f"min_class_samples={config.min_class_samples}: no class has that many images"
        raise RequestError([f"{problem}; the largest has {max(counts.values(), default=0)}. Lower it"])
    notes = (
        [f"{len(counts) + 1 - len(used)} classes are left out by data.classes or data.min_class_samples"]
        if len(counts) + 1 > len(used)
        else []
    )
    if config.copies == "drop":
        labels: dict[str, set[str]] = {}
        first: dict[str, int] = {}
        for i in kept:
            labels.setdefault(digests[i], set()).update({rows[i]["class"]} - {""})
        for i in sorted(kept, key=lambda i: not rows[i]["class"]):  # prefer a labeled copy to an unlabeled one
            first.setdefault(digests[i], i)
        single = [i for i in kept if first[digests[i]] == i and len(labels[digests[i]]) < 2]
        notes.append(f"{len(kept) - len(single):,} identical files are left out by data.copies=drop")
        kept = single
        if not kept:
            problem = "copies=drop: leaves no image, as each has an identical one in another class"
            raise RequestError([f"{problem}. Keep every image in one class only, or set copies=keep"])
    return kept, notes


def _label_columns(rows: Sequence[Mapping[str, str]]) -> dict[str, NDArray[np.str_]]:
    """Make columns of all values except the class."""
    names = dict.fromkeys(name for row in rows for name in row if name not in ("class", "id"))
    columns = {name: np.array([row.get(name, "") for row in rows]) for name in names}
    return {name: values for name, values in columns.items() if (values != "").any()}


def _name_columns(files: Sequence[Path], config: ImageFolderConfig) -> dict[str, NDArray[np.str_]]:
    """Read columns from file names; raises RequestError for a pattern without a match."""
    readers = {name: (f"columns.{name}", pattern, partial(_find, pattern)) for name, pattern in config.columns.items()}
    if config.time:
        readers["time"] = ("time", config.time, partial(read_time, pattern=config.time))
    found = {}
    for name, (setting, pattern, read) in readers.items():
        found[name] = np.array([read(path.name) for path in files])
        if not (found[name] != "").any():
            raise RequestError(
                [f"{setting}: {pattern!r} matches no file name, such as {files[0].name!r}. Correct the pattern"]
            )
    return found


def _copy_column(digests: Sequence[str]) -> dict[str, NDArray[np.str_]]:
    """Make a column of digests of the files that occur more than once."""
    counts = Counter(digests)
    names = np.array([digest if counts[digest] > 1 else "" for digest in digests])
    return {"copy": names} if (names != "").any() else {}


def _find(pattern: str, name: str) -> str:
    """Return a pattern's first group, or its whole match, in a file name; '' without a match."""
    match = re.search(pattern, name)
    return "" if match is None else match[1 if match.re.groups else 0] or ""


def _count_examples(reason: str, paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:MAX_LISTED]) + (", …" if len(paths) > MAX_LISTED else "")
    return f"{len(paths):,} {reason} ({shown})"
