"""BBBC021v1: MCF-7 cells treated with 113 compounds, three stains. Spec only; see `bbbc021_reader`.

Layout: BBBC021_v1_image.csv (and BBBC021_v1_moa.csv) in one folder with the plates, each a folder such as Week1/Week1_22123
or Week1_22123, or the published zip of that name. Only plates that are used need to be there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from sslbench.api import (
    DatasetCard,
    DatasetSpec,
    Modality,
    NonEmpty,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Range,
    hookimpl,
    setting,
)
from sslbench_microscopy.citations import BBBC

DOSES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bbbc021Config:
    """Settings of single cells of BBBC021: cells of treated wells, and as many untreated cells of the same plates.

    Cells are found by their nuclei and cut out as squares; cells too close to an edge are left out.
    """

    root: Path | None = setting(
        None, "Folder or zip file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    compounds: NonEmpty[str] = setting(("nocodazole",), "Compounds whose cells are used.")
    doses: NonEmpty[Annotated[int, Range(at_least=1, at_most=DOSES)]] = setting(
        (1, 2, 3, 4), "Ranks of a compound's concentrations, 1 the highest."
    )
    untreated: bool = setting(True, "Add untreated cells of the same plates.")
    label: Literal["compound", "concentration", "mechanism"] = setting(
        "compound",
        "Class of a cell: compound (or untreated), concentration, or mechanism as published (no label if none).",
    )
    cells: NonNegativeInt = setting(0, "Most cells that are used, treated and untreated (0: all).")
    side: PositiveInt = setting(196, "Side of the squares in pixels.")
    blur: NonNegativeFloat = setting(2.0, "Standard deviation in pixels of the blur before nuclei are found.")
    area: PositiveInt = setting(150, "Smallest area of a nucleus in pixels.")

    def __post_init__(self) -> None:
        """Refuse one cell for two groups."""
        if self.cells == 1 and self.untreated:
            raise ValueError(
                "cells=1: leaves no untreated cell. Set it to 2 or more, or to 0 for all, or set untreated=false"
            )


def libraries(config: Bbbc021Config) -> tuple[str, ...]:
    """Name the libraries that find cells."""
    return ("numpy", "pillow", "scipy", "scikit-image")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[Bbbc021Config]]:
    yield DatasetSpec(
        name="bbbc021",
        version=2,
        summary="breast-cancer cells under 113 compounds at 8 concentrations, cut out of 13,200 fluorescence fields",
        citation=BBBC,
        config=Bbbc021Config,
        smoke=Bbbc021Config(),
        build="sslbench_microscopy.datasets.bbbc021_reader:open_screen",
        libraries=libraries,
        label_preserving="crop-flip",
        card=DatasetCard(
            license="see its page; probably non-commercial (not checked)",
            citation=BBBC,
            source="Broad Bioimage Benchmark Collection",
            obtain=(
                "fetch BBBC021_v1_image.csv, BBBC021_v1_moa.csv and the plates' zips from bbbc.broadinstitute.org/BBBC021 "
                "into one folder named bbbc021; of the 55 plates only those of the compounds that are used are read"
            ),
            groups=("field",),
            modalities={"image": Modality(layout="image", shape=(3, 196, 196))},
        ),
    )
