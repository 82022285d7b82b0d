"""SYKE-plankton_ZooScan_2024: zooplankton of the Baltic Sea, scanned; the size legend at the bottom is cut off.

Layout: SYKE-plankton_ZooScan_2024/images/SYKE-plankton_ZooScan_2024/<class>/*.png, a zip inside a zip.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, Modality, NonNegativeInt, hookimpl, setting
from sslbench.api.image_options import GrayOrColor, channels_setting
from sslbench_plankton.citations import SYKE_ZOOSCAN


@dataclass(frozen=True, slots=True, kw_only=True)
class SykeZooscanConfig:
    """Settings of SYKE-plankton_ZooScan_2024."""

    root: Path | None = setting(
        None, "Folder or zip file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    legend: NonNegativeInt = setting(25, "Pixel rows that the legend takes; they are cut off.")
    channels: GrayOrColor = channels_setting("gray", "gray converts to gray as the study does; color keeps the color.")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[SykeZooscanConfig]]:
    yield DatasetSpec(
        name="syke-zooscan-2024",
        version=3,
        summary="22,753 images of Baltic zooplankton, 20 classes, ZooScan",
        citation=SYKE_ZOOSCAN,
        config=SykeZooscanConfig,
        smoke=SykeZooscanConfig(),
        build="sslbench_plankton.datasets.syke_zooscan_2024_reader:open_syke_zooscan_2024",
        label_preserving="plankton",
        card=DatasetCard(
            license="CC BY 4.0",
            citation=SYKE_ZOOSCAN,
            source="Fairdata 6fa42787-9772-41a5-a6fc-0dde489ed908",
            obtain=(
                "request it from Fairdata's Etsin (6fa42787-9772-41a5-a6fc-0dde489ed908) into a folder 'syke-zooscan-2024'; "
                "the zip that comes, or what is in it, is read"
            ),
            totals={"": (22_753, 20)},
            modalities={"image": Modality(layout="image", shape=(1, 0, 0))},
        ),
    )
