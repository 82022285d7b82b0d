"""FlowCam exports: a color image of every particle beside its row of measurements. Spec only; see `flowcam_pairs_reader`.

The measurements are mostly computed from the image, so that finding one by the other is partly trivial: a set to try
loaders and encoders of vectors on, and no evidence about learning across modalities.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, Modality, hookimpl
from sslbench_plankton.citations import FLOWCAM


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowcamPairsConfig:
    """Where the folder is, if not `flowcam_protist_pairs` in the usual places; `table` and `images` lie in it.

    Images lie in a folder a class and are called RUN_ID.png; the table's column `key` holds the ID, its column `run` a
    file name that begins with RUN. `ignore` are numbers that tell where and when instead of what. `title` names another
    export than the published one in tables, records and files.
    Particles that were cut out of one image are never on both sides of a split: `source` is the column that numbers the
    images of a run (none: nothing is kept together).
    """

    root: Path | None = None
    title: str = ""
    table: str = field(default="measurements.csv", metadata={"names_file": True})
    images: str = field(default="images", metadata={"names_file": True})
    key: str = "Original Reference ID"
    run: str = "Image File"
    source: str = "Source Image"
    ignore: tuple[str, ...] = (
        "Particle ID", "Capture X", "Capture Y", "Image X", "Image Y", "Source Image", "Elapsed Time", "Calibration Image",
        "Camera",
    )  # fmt: skip


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
