"""Read a tree of images: list the files, label them by their folders or a table, decode them all alike."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from sslbench.api.files import contents, fingerprint, name_sample, unpack
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
    """Of each image its split, class and other columns, and what they were read from."""

    rows: tuple[dict[str, str], ...]
    description: str
    notes: tuple[str, ...]
    table: Path | None = None


def open_folder(config: ImageFolderConfig, source: Source) -> Dataset:
    """List and label the tree.

    Raises DataMissing without a root, UnexpectedFormat for what is not a tree of images, RequestError for settings that do
    not fit it or that it needs.
    """
    if source.root is None:
        raise DataMissing("no folder named")
    root = _open_root(source.root, source.work)
    listing = list_images(root, config.skip, (source.work,))
    if not listing.files:
        other = recognize_other_format(root)
        told = f"it looks like {other.description}" if other else "name the folder above the images in data.root"
        raise UnexpectedFormat(
            f"{source.root} holds no image file that can be read; {told}", other.name if other else ""
        )
    folder = ImageFolder(root, listing.files, config, source.work / "fingerprints", listing.skipped)
    asked = config.levels or config.classes or config.table not in (AUTO, NONE)
    if len(folder.target.names) == 1 and not asked:
        only, other = folder.target.names[0], recognize_other_format(root)
        told = f"all labeled images of {source.root} are in one folder, {only!r}"
        like = f"; it looks like {other.description}" if other else ""
        answer = (
            f"Set data.root to that folder if they have no labels, or data.levels=[class] if {only!r} is the only class"
        )
        raise UnexpectedFormat(f"{told}{like}. {answer}", other.name if other else "")
    return folder


def _open_root(root: Path, work: Path) -> Path:
    """Open a folder, or unpack a zip file; raises DataMissing for neither, DataBroken for another file."""
    if root.is_dir():
        return root
    if not root.is_file():
        raise DataMissing(f"looked in {root}")
    if root.suffix.lower() != ".zip":
        raise DataBroken(f"{root} is a file. Unpack it, and set data.root to the folder of its images")
    stamp = root.stat()
    return unpack(root, work / "extracted" / f"{root.stem}-{stamp.st_size}-{stamp.st_mtime_ns}")


class ImageFolder:
    """Images below a root, labeled by their folders or a table."""

    def __init__(
        self,
        root: Path,
        files: Sequence[Path],
        config: ImageFolderConfig,
        remember: Path,
        skipped: Mapping[str, Sequence[str]],
    ) -> None:
        self.root, self.remember, self.skipped = root, remember, skipped
        self.labeling = label_images(root, files, config)
        digests = contents(root, files, remember)
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
        self.images = ImageSet(root, self.files, remember, options)
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
        """A digest of each file's bytes."""
        return self.digests

    def fingerprint(self) -> str:
        """A digest of names, sizes and contents, the table's too."""
        files = fingerprint(self.root, self.files, self.remember, self.digests)
        if self.labeling.table is None:
            return files
        told = f"{files}\0".encode() + self.labeling.table.read_bytes()  # the table may lie anywhere
        return hashlib.blake2b(told, digest_size=16).hexdigest()


def label_images(root: Path, files: Sequence[Path], config: ImageFolderConfig) -> Labeling:
    """Label images by the table beside them, else by their folders; raises RequestError for what is ambiguous."""
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
    asked = [(name, getattr(config, name)) for name in ("path_column", "class_column", "split_column")]
    read = read_image_table(root, table, names, asked)
    rows, told = settle_split(read.rows)
    return Labeling(rows=rows, description=read.description, notes=(*read.notes, *told), table=table)


def choose_rows(
    rows: Sequence[Mapping[str, str]], digests: Sequence[str], config: ImageFolderConfig
) -> tuple[list[int], list[str]]:
    """Choose the images that are used, by class and, with copies=drop, one of each; and note what is left out.

    Raises RequestError for a class that is named and not there.
    """
    counts = Counter(row["class"] for row in rows if row["class"])
    if strangers := [name for name in config.classes if name not in counts]:
        near = difflib.get_close_matches(strangers[0], counts, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else f"; there are {', '.join(sorted(counts)[:8])}, …"
        raise RequestError([f"classes: {len(strangers)} without any image, such as {strangers[0]!r}{hint}"])
    used = {"", *(name for name in config.classes or counts if counts[name] >= config.min_class_samples)}
    kept = [i for i, row in enumerate(rows) if row["class"] in used]
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
        for i in sorted(kept, key=lambda i: not rows[i]["class"]):  # of a labeled and an unlabeled one the labeled one
            first.setdefault(digests[i], i)
        single = [i for i in kept if first[digests[i]] == i and len(labels[digests[i]]) < 2]
        notes.append(f"{len(kept) - len(single):,} identical files are left out by data.copies=drop")
        kept = single
    if not kept:
        most = max(counts.values(), default=0)
        told = f"no class has {config.min_class_samples} images; the largest has {most}. Lower data.min_class_samples"
        raise RequestError([told])
    return kept, notes


def _label_columns(rows: Sequence[Mapping[str, str]]) -> dict[str, NDArray[np.str_]]:
    """Make a column of everything but the class that any row has."""
    names = dict.fromkeys(name for row in rows for name in row if name not in ("class", "id"))
    columns = {name: np.array([row.get(name, "") for row in rows]) for name in names}
    return {name: values for name, values in columns.items() if (values != "").any()}


def _name_columns(files: Sequence[Path], config: ImageFolderConfig) -> dict[str, NDArray[np.str_]]:
    """Read columns from file names; raises RequestError for a pattern that is in none."""
    readers = {name: (f"columns.{name}", pattern, partial(_find, pattern)) for name, pattern in config.columns.items()}
    if config.time:
        readers["time"] = ("time", config.time, partial(read_time, pattern=config.time))
    found = {}
    for name, (setting, pattern, read) in readers.items():
        found[name] = np.array([read(path.name) for path in files])
        if not (found[name] != "").any():
            raise RequestError([f"{setting}: {pattern!r} is found in no file name, such as {files[0].name!r}"])
    return found


def _copy_column(digests: Sequence[str]) -> dict[str, NDArray[np.str_]]:
    """Name by its content each file that is there more than once."""
    often = Counter(digests)
    names = np.array([digest if often[digest] > 1 else "" for digest in digests])
    return {"copy": names} if (names != "").any() else {}


def _find(pattern: str, name: str) -> str:
    """Find in a file's name a pattern's first group, or all that it matches; '' if it does not."""
    match = re.search(pattern, name)
    return "" if match is None else match[1 if match.re.groups else 0] or ""


def _count_examples(reason: str, paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:MAX_LISTED]) + (", …" if len(paths) > MAX_LISTED else "")
    return f"{len(paths):,} {reason} ({shown})"
