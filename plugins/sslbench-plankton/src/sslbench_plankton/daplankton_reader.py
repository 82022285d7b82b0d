"""Read one part of DAPlankton: grey, padded to a square with the edges' mode colour and noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sslbench.api import DataBroken, DataMissing, Dataset, Modality, Source, Target
from sslbench.api.files import find, fingerprint, pictures, unpack
from sslbench_plankton.padding import pad_square

FOLDERS = ("daplankton", "DAPlankton", "DAPlankton.zip", "daplankton.zip")


def open_part(source: Source) -> Dataset:
    """Find the tree, or the zip that holds it, and list one part.

    Raises DataMissing when neither is there, DataBroken when the part is not in it.
    """
    place = find(source, FOLDERS)
    archives = sorted(place.glob("*.zip")) if place.is_dir() and not _subset(place, source.part) else []
    if place.suffix == ".zip" or archives:
        archive = archives[0] if archives else place
        stamp = archive.stat()
        place = unpack(archive, source.work / "extracted" / f"daplankton-{stamp.st_size}-{stamp.st_mtime_ns}")
    folder = _subset(place, source.part)
    if folder is None:
        raise DataMissing(f"no {_wanted(source.part)} below {place}")
    files = list(pictures(folder))
    if not files:
        raise DataBroken(f"{folder} holds no picture; fetch it again")
    return PlanktonFiles(folder, files, source.work / "fingerprints")


def _wanted(part: str) -> str:
    subset, instrument = part.split("/")
    return f"DAPlankton_{subset}/{instrument.upper()}"


def _subset(place: Path, part: str) -> Path | None:
    """The part's folder, however deep the archive put the tree."""
    found = sorted(p for p in place.rglob(_wanted(part)) if p.is_dir())
    return found[0] if found else None


class PlanktonFiles:
    """Grey pictures in class folders, padded to squares."""

    def __init__(self, root: Path, files: Sequence[Path], remember: Path) -> None:
        self.root, self.files, self.remember = root, files, remember
        classes = [path.relative_to(root).parts[0] for path in files]
        names = tuple(sorted(set(classes)))
        code = {name: place for place, name in enumerate(names)}
        self.labels = np.array([code[name] for name in classes], np.int64)
        self.target = Target(kind="class", names=names)
        self.columns: Mapping[str, NDArray[np.str_]] = {
            "id": np.array([path.relative_to(root.parents[1]).as_posix() for path in files])
        }
        self.modalities: Mapping[str, Modality] = {"image": Modality(layout="image", shape=(1, 0, 0))}

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """One square picture [1, S, S], and its size before padding."""
        with Image.open(self.files[row]) as opened:
            grey = np.asarray(opened.convert("L"), np.uint8)
        return {"image": pad_square(grey, rng)[None], "image.size": np.array(grey.shape)}

    def fingerprint(self) -> str:
        """A digest of names, sizes and contents."""
        return fingerprint(self.root, self.files, self.remember)
