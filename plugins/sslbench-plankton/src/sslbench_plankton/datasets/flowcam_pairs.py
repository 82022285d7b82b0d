"""FlowCam exports: a color image and a row of measurements for every particle.

The measurements are mostly computed from the image, so that finding one by the other is partly trivial: a set to try
loaders and encoders of vectors on, and no evidence about learning across modalities.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, Modality, hookimpl, setting
from sslbench_plankton.citations import FLOWCAM


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowcamPairsConfig:
    """Settings of FlowCam images with measurements. Images are named RUN_ID.png in one folder per class."""

    root: Path | None = setting(
        None, "Folder or zip file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    title: str = setting("", "Name of the data in tables, records and files ('': the dataset's name).")
    table: str = setting("measurements.csv", "Table of measurements below `root`.", names_file=True)
    images: str = setting("images", "Folder of the images below `root`.", names_file=True)
    key: str = setting("Original Reference ID", "Column with the ID of a particle.")
    run: str = setting("Image File", "Column with a file name that begins with RUN.")
    source: str = setting(
        "Source Image",
        "Column that numbers the images of a run: particles of one image stay together (none: they do not).",
    )
    ignore: tuple[str, ...] = setting(
        (
            "Particle ID",
            "Capture X",
            "Capture Y",
            "Image X",
            "Image Y",
            "Source Image",
            "Elapsed Time",
            "Calibration Image",
            "Camera",
        ),
        "Columns that describe where and when a particle was imaged; they are not read.",
    )


def title(config: FlowcamPairsConfig) -> str:
    """Name the data by its title, where it has one."""
    return config.title


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[FlowcamPairsConfig]]:
    yield DatasetSpec(
        name="flowcam-pairs",
        version=2,
        summary="FlowCam particles: a color image and a row of measurements each, joined by run and particle",
        citation=FLOWCAM,
        config=FlowcamPairsConfig,
        smoke=FlowcamPairsConfig(),
        build="sslbench_plankton.datasets.flowcam_pairs_reader:open_pairs",
        title=title,
        card=DatasetCard(
            license="MIT",
            citation=FLOWCAM,
            source="github.com/VickoT/FlowCam_Image_Classifier, Training/data",
            obtain=(
                "take Training/data of github.com/VickoT/FlowCam_Image_Classifier: a folder `images` of a folder a class, "
                "and its runs' rows in one table measurements.csv"
            ),
            groups=("source",),
            modalities={
                "image": Modality(layout="image", shape=(3, 0, 0)),
                "measurements": Modality(layout="vector", shape=(40,)),
            },
        ),
    )
