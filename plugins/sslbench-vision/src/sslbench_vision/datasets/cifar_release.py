"""Describe the released files of CIFAR-10 and CIFAR-100, and make their specs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, setting
from sslbench.api.image_options import channels_setting

PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
CITATION = Citation(
    title="Learning Multiple Layers of Features from Tiny Images", authors="Krizhevsky", year=2009, url=PAGE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CifarConfig:
    """Settings of CIFAR-10 and CIFAR-100."""

    root: Path | None = setting(None, "Folder with the files; by default, the usual places are searched.")
    download: bool = setting(True, "Download the files if they are not found.")
    channels: Literal["color", "gray"] = channels_setting("color", "Read color images, or gray ones (Rec. 601).")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Names of a collection's folders and files, their numbers of records, and the label that is read.

    The last file is the test part. Byte `label_byte` of the `label_bytes` before a binary record's pixels is the label; in
    pickled batches its key is `label_key`.
    """

    name: str
    names: tuple[str, ...]
    archive: str
    md5: str
    binary: str
    python: str
    binary_files: Sequence[str]
    python_files: Sequence[str]
    records: Sequence[int]
    label_bytes: int
    label_byte: int
    label_key: bytes


def make_spec(release: Release, summary: str, build: str) -> DatasetSpec[CifarConfig]:
    """Return the spec of a release; `build` names the function that opens it."""
    return DatasetSpec(
        name=release.name,
        version=1,
        summary=summary,
        citation=CITATION,
        config=CifarConfig,
        smoke=CifarConfig(download=False),
        build=build,
        label_preserving="crop-flip",
        card=DatasetCard(
            license="not stated by its authors",
            formats=("cifar",),
            citation=CITATION,
            source=PAGE,
            obtain=f"download {release.archive} from {PAGE} and extract it; with network access, sslbench does this",
            checksums={release.archive: release.md5},
            counts={"": dict.fromkeys(release.names, sum(release.records) // len(release.names))},
            modalities={"image": Modality(layout="image", shape=(3, 32, 32))},
        ),
    )
