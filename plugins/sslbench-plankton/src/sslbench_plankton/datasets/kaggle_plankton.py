"""Kaggle-Plankton: zooplankton shadowgraphs of the National Data Science Bowl, a labeled and an unlabeled part.

Layout: train/<class>/<id>.jpg and test/<id>.jpg, as folders or as the competition's zips.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, Modality, hookimpl, setting
from sslbench.api.image_options import GrayOrColor, channels_setting
from sslbench_plankton.citations import PLANKTON_SET

INSIDE = {"labeled": "train", "unlabeled": "test"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KagglePlanktonConfig:
    """Settings of Kaggle-Plankton."""

    root: Path | None = setting(
        None, "Folder or zip file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    channels: GrayOrColor = channels_setting("gray", "gray converts to gray as the study does; color keeps the color.")


def parts(config: KagglePlanktonConfig) -> tuple[str, ...]:
    """With and without labels."""
    return tuple(INSIDE)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[KagglePlanktonConfig]]:
    yield DatasetSpec(
        name="kaggle-plankton",
        version=3,
        summary="ISIIS shadowgraphs of zooplankton, 121 classes: 30,336 labeled images, 130,000 without labels",
        citation=PLANKTON_SET,
        config=KagglePlanktonConfig,
        smoke=KagglePlanktonConfig(),
        build="sslbench_plankton.datasets.kaggle_plankton_reader:open_kaggle_plankton",
        parts=parts,
        label_preserving="plankton",
        card=DatasetCard(
            license="none stated; the National Data Science Bowl's rules",
            citation=PLANKTON_SET,
            source="doi 10.7289/V5D21VJD; kaggle.com/c/datasciencebowl",
            obtain=(
                "download train.zip and test.zip of the competition 'datasciencebowl' from Kaggle into a folder "
                "'kaggle-plankton'; the zips or what is in them are read"
            ),
            totals={"labeled": (30_336, 121)},
            modalities={"image": Modality(layout="image", shape=(1, 0, 0))},
        ),
    )
