"""SYKE-plankton_IFCB_2022: phytoplankton of the Baltic Sea, seen by an Imaging FlowCytobot.

Layout: labeled_20201020/<class>/<file>. A file's name may carry an older class name; the folder is authoritative.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, Modality, hookimpl, setting
from sslbench.api.image_options import GrayOrColor, channels_setting
from sslbench_plankton.citations import SYKE_IFCB


@dataclass(frozen=True, slots=True, kw_only=True)
class SykeIfcbConfig:
    """Settings of SYKE-plankton_IFCB_2022."""

    root: Path | None = setting(
        None, "Folder or zip file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    channels: GrayOrColor = channels_setting("gray", "gray converts to gray as the study does; color keeps the color.")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[SykeIfcbConfig]]:
    yield DatasetSpec(
        name="syke-ifcb-2022",
        version=3,
        summary="about 63,000 images of Baltic phytoplankton, 50 classes, Imaging FlowCytobot",
        citation=SYKE_IFCB,
        config=SykeIfcbConfig,
        smoke=SykeIfcbConfig(),
        build="sslbench_plankton.datasets.syke_ifcb_2022_reader:open_syke_ifcb_2022",
        label_preserving="plankton",
        card=DatasetCard(
            license="CC BY 4.0",
            citation=SYKE_IFCB,
            source="doi 10.23728/b2share.abf913e5a6ad47e6baa273ae0ed6617a",
            obtain=(
                "download phytoplankton_labeled.zip of record xvnrp-7ga56 from B2SHARE into a folder 'syke-ifcb-2022'"
            ),
            totals={"": (0, 50)},
            modalities={"image": Modality(layout="image", shape=(1, 0, 0))},
        ),
    )
