"""Read trees of pictures in any format that Pillow reads. Unreadable files raise, and the harness counts them."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sslbench.api import DataBroken, DataMissing, Dataset, Modality, RequestError, Source, Target
from sslbench.api.files import contents, fingerprint, pictures
from sslbench_vision.datasets.image_folder import ImageFolderConfig

SPLITS = {"train": "train", "training": "train", "val": "validation", "validation": "validation", "valid": "validation",
          "test": "test", "testing": "test", "unlabelled": "unlabelled", "unlabeled": "unlabelled"}  # fmt: skip
GREY = frozenset({"1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})


def open_folder(config: ImageFolderConfig, source: Source) -> Dataset:
    """List the tree; raises DataMissing without a root, DataBroken without a picture in it."""
    if source.root is None:
        raise DataMissing("no folder named")
    if not source.root.is_dir():
        raise DataMissing(f"looked in {source.root}")
    files = list(pictures(source.root))
    if not files:
        raise DataBroken(f"{source.root} holds no picture that Pillow reads; point data.root at the folder above them")
    return PictureFiles(source.root, files, config, source.work / "fingerprints")


class PictureFiles:
    """Pictures below a root, labelled by their folders."""

    def __init__(self, root: Path, files: Sequence[Path], config: ImageFolderConfig, remember: Path) -> None:
        self.root, self.remember = root, remember
        rows = [_place(path.relative_to(root).parts[:-1], config.levels) for path in files]
        used = {"", *_used(Counter(row["class"] for row in rows if row["class"]), config)}
        kept = [i for i, row in enumerate(rows) if row["class"] in used]
        self.files = [files[i] for i in kept]
        rows = [rows[i] for i in kept]
        names = tuple(sorted({row["class"] for row in rows} - {""}))
        codes = {name: code for code, name in enumerate(names)} | {"": -1}
        self.labels = np.array([codes[row["class"]] for row in rows], np.int64)
        self.target = Target(kind="class", names=names) if names else Target(kind="none")
        columns: dict[str, NDArray[np.str_]] = {
            "id": np.array([path.relative_to(root).as_posix() for path in self.files])
        }
        for name in [n for n in rows[0] if n != "class"]:
            values = [row[name] for row in rows]
            if any(values):
                columns[name] = np.array(values)
        for name, pattern in config.columns.items():
            columns[name] = np.array([_found(pattern, path.name) for path in self.files])
            if not (columns[name] != "").any():
                told = f"columns.{name}: {pattern!r} is found in no file name, such as {self.files[0].name!r}"
                raise RequestError([told])
        self.columns: Mapping[str, NDArray[np.str_]] = columns
        self.grey = config.channels == "grey" or (config.channels == "auto" and all(_headers(self.files)))
        shape = (1 if self.grey else 3, 0, 0)
        self.modalities: Mapping[str, Modality] = {"image": Modality(layout="image", shape=shape)}

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Decode one file: [1 or 3, H, W] uint8."""
        return {"image": read_picture(self.files[row], grey=self.grey)}

    def contents(self) -> Sequence[str]:
        """A digest of each file's bytes."""
        return contents(self.root, self.files, self.remember)

    def fingerprint(self) -> str:
        """A digest of names, sizes and contents."""
        return fingerprint(self.root, self.files, self.remember)


def _place(folders: tuple[str, ...], levels: Sequence[str]) -> dict[str, str]:
    """What a file's folders say: its split, its class ('' if none) and its group columns."""
    split = ""
    if folders and folders[0].lower() in SPLITS:
        split, folders = SPLITS[folders[0].lower()], folders[1:]
    row = {"split": split, **dict.fromkeys(levels, "")}
    row.update(dict(zip(levels, folders, strict=False)))
    if split == "unlabelled" or len(folders) < len(levels):
        row["class"] = ""
        row["split"] = "" if split in ("", "unlabelled") else split
    return {"split": row.pop("split"), "class": row.pop("class", ""), **row}


def _used(counts: Mapping[str, int], config: ImageFolderConfig) -> set[str]:
    """The classes that are used; raises RequestError for one that is named and not there."""
    if strangers := [name for name in config.classes if name not in counts]:
        near = difflib.get_close_matches(strangers[0], counts, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else f"; there are {', '.join(sorted(counts)[:8])}, …"
        raise RequestError([f"classes: {len(strangers)} without any picture, such as {strangers[0]!r}{hint}"])
    return {name for name in config.classes or counts if counts[name] >= config.minimum}


def _found(pattern: str, name: str) -> str:
    """The part of a file's name that a pattern's first group is, or all that it matches; '' if it does not."""
    match = re.search(pattern, name)
    return "" if match is None else match[1 if match.re.groups else 0] or ""


def _headers(files: Sequence[Path]) -> Iterator[bool]:
    """Whether each readable file is grey, from its header alone."""

    def grey(path: Path) -> bool:
        try:
            with Image.open(path) as opened:
                return opened.mode in GREY
        except (OSError, ValueError, SyntaxError):
            return True  # counted as unreadable when it is read

    with ThreadPoolExecutor() as threads:
        yield from threads.map(grey, files, chunksize=64)


def read_picture(path: Path, *, grey: bool) -> NDArray[np.uint8]:
    """Decode the first frame as [1 or 3, H, W]: 16-bit and float grey are stretched to their range, alpha lies on white.

    Raises OSError, ValueError or DataBroken for what cannot be read.
    """
    with Image.open(path) as opened:
        opened.seek(0)
        if opened.mode.startswith("I") or opened.mode == "F":
            plane = _stretched(np.asarray(opened))
            return plane[None] if grey else np.repeat(plane[None], 3, axis=0)
        picture: Image.Image = opened
        if opened.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in opened.info:
            solid = opened.convert("RGBA")
            picture = Image.new("RGBA", solid.size, (255, 255, 255, 255))
            picture.alpha_composite(solid)
        array = np.asarray(picture.convert("L" if grey else "RGB"), np.uint8)
    return array[None] if grey else np.ascontiguousarray(np.moveaxis(array, -1, 0))


def _stretched(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Deep grey as 0..255: whole numbers of 16 bits by their full range, everything else by the picture's own."""
    wide = values.astype(np.float64)
    if not np.isfinite(wide).all():
        raise DataBroken("holds values that are not finite")
    low, high = float(wide.min()), float(wide.max())
    if values.dtype.kind in "iu" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    span = high - low
    return np.round((wide - low) * (255 / span) if span else np.zeros_like(wide)).astype(np.uint8)
