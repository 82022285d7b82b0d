"""PMID2019: phytoplankton of Jiaozhou Bay in bright field; individuals are cut out by their boxes. Layout not verified.

Read as its public readers do, as Pascal VOC: Annotations/<name>.xml next to JPEGImages/<name>.jpg.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, Modality, hookimpl, setting
from sslbench.api.image_options import GrayOrColor, channels_setting
from sslbench_plankton.citations import PMID


@dataclass(frozen=True, slots=True, kw_only=True)
class PmidConfig:
    """Settings of PMID2019. Individuals of one image are never on both sides of a split (column `source`)."""

    root: Path | None = setting(
        None, "Folder or zip file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    images: str = setting("JPEGImages", "Folder of the images below `root`.")
    annotations: str = setting("Annotations", "Folder of the boxes below `root`.")
    channels: GrayOrColor = channels_setting("gray", "gray converts to gray as the study does; color keeps the color.")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[PmidConfig]]:
    yield DatasetSpec(
        name="pmid2019",
        version=3,
        summary="individuals of 10,819 micrographs of phytoplankton, 24 classes; layout not verified",
        citation=PMID,
        config=PmidConfig,
        smoke=PmidConfig(),
        build="sslbench_plankton.datasets.pmid2019_reader:open_pmid2019",
        label_preserving="plankton",
        card=DatasetCard(
            license="not stated by its authors",
            citation=PMID,
            formats=("voc",),
            source="doi 10.1093/icesjms/fsz171",
            obtain=(
                "ask the paper's authors (doi 10.1093/icesjms/fsz171) and put it into a folder 'pmid2019'; layout not "
                "verified: set data.images and data.annotations where they differ"
            ),
            groups=("source",),
            totals={"": (0, 24)},
            modalities={"image": Modality(layout="image", shape=(1, 0, 0))},
        ),
    )
