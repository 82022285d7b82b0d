"""SYKE-plankton_CytoSense_2025: an image and an optical pulse of every particle. Spec only; see `cytosense_reader`.

Layout, from released code that reads it (the data was not available):
data/{LAB,SEA,UTO}/annotations.csv with the columns image,
profile and class, holding paths below that folder; a profile is a comma-separated table with one head row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, Modality, NonEmpty, NonNegativeInt, hookimpl, setting
from sslbench_plankton.citations import CYTOSENSE

BANDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CytosenseConfig:
    """Settings of SYKE-plankton_CytoSense_2025."""

    root: Path | None = setting(
        None, "Folder or zip file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    legend: NonNegativeInt = setting(
        25, "Pixel rows at the top of every image that hold its scale bar; they are cut off."
    )
    bands: NonEmpty[NonNegativeInt] = setting(
        tuple(range(BANDS)), "Columns of the profile that are used, counted from 0."
    )


def parts(config: CytosenseConfig) -> tuple[str, ...]:
    """Cultures, samples of the Baltic Sea, and the stream of the Utö station, which has no labels."""
    return ("lab", "sea", "uto")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[CytosenseConfig]]:
    yield DatasetSpec(
        name="cytosense",
        version=2,
        summary="phytoplankton, an image and a pulse of six bands each: 24 classes in the lab, 38 at sea, 32,930 unlabeled",
        citation=CYTOSENSE,
        config=CytosenseConfig,
        smoke=CytosenseConfig(),
        build="sslbench_plankton.datasets.cytosense_reader:open_part",
        parts=parts,
        label_preserving="cross-modal",
        card=DatasetCard(
            license="CC BY 4.0",
            citation=CYTOSENSE,
            source="doi 10.23729/fd-470acabc-afb8-39cb-a86e-0f81872e7443",
            obtain=(
                "request SYKE-plankton_CytoSense_2025 from Fairdata's Etsin (doi "
                "10.23729/fd-470acabc-afb8-39cb-a86e-0f81872e7443); its zip, or the folder with LAB, SEA and UTO, is what "
                "is read (layout not verified)"
            ),
            totals={"lab": (0, 24), "sea": (0, 38), "uto": (32_930, 0)},
            modalities={
                "image": Modality(layout="image", shape=(1, 0, 0)),
                "profile": Modality(layout="sequence", shape=(0, BANDS)),
            },
        ),
    )
