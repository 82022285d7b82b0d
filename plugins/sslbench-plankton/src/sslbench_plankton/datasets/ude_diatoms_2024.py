"""UDE DIATOMS in the Wild 2024: freshwater diatoms in bright field. Layout not verified.

Read as one folder per class or, with `table`, as images and a CSV file that names their classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, Modality, hookimpl, setting
from sslbench.api.image_options import GrayOrColor, channels_setting
from sslbench_plankton.citations import UDE_DIATOMS


@dataclass(frozen=True, slots=True, kw_only=True)
class UdeDiatomsConfig:
    """Settings of UDE DIATOMS in the Wild 2024."""

    root: Path | None = setting(
        None, "Folder or zip file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    images: str = setting("", "Folder of the images below `root` ('': `root`).", names_file=True)
    table: str = setting("", "CSV table of paths and classes below `root` ('': the published one).", names_file=True)
    image_column: str = setting("filename", "Column with the paths.")
    class_column: str = setting("taxon", "Column with the classes.")
    channels: GrayOrColor = channels_setting("gray", "gray converts to gray as the study does; color keeps the color.")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[UdeDiatomsConfig]]:
    yield DatasetSpec(
        name="ude-diatoms-2024",
        version=3,
        summary="83,570 images of freshwater diatoms, 611 taxa; layout not verified",
        citation=UDE_DIATOMS,
        config=UdeDiatomsConfig,
        smoke=UdeDiatomsConfig(),
        build="sslbench_plankton.datasets.ude_diatoms_2024_reader:open_ude_diatoms_2024",
        label_preserving="plankton",
        card=DatasetCard(
            license="CC0 1.0",
            citation=UDE_DIATOMS,
            source="doi 10.1093/gigascience/giae087",
            obtain=(
                "follow the data section of the paper (doi 10.1093/gigascience/giae087) into a folder 'ude-diatoms-2024'; "
                "layout not verified: set data.images and data.table where they differ"
            ),
            totals={"": (83_570, 611)},
            modalities={"image": Modality(layout="image", shape=(1, 0, 0))},
        ),
    )
