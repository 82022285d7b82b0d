"""ZooLake: zooplankton of Greifensee, seen by an underwater camera.

Layout: data/zooplankton_0p5x/<class>/<folder>/<file>.jpeg, and a published split as lists of file names next to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, Modality, hookimpl, setting
from sslbench.api.image_options import GrayOrColor, channels_setting
from sslbench_plankton.citations import ZOOLAKE


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoolakeConfig:
    """Settings of ZooLake."""

    root: Path | None = setting(
        None, "Folder or zip file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    published_split: bool = setting(True, "Use the published split if its lists are next to the tree.")
    channels: GrayOrColor = channels_setting("gray", "gray converts to gray as the study does; color keeps the color.")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[ZoolakeConfig]]:
    yield DatasetSpec(
        name="zoolake",
        version=3,
        summary="about 17,900 images of lake zooplankton, 35 classes, with a published split",
        citation=ZOOLAKE,
        config=ZoolakeConfig,
        smoke=ZoolakeConfig(),
        build="sslbench_plankton.datasets.zoolake_reader:open_zoolake",
        label_preserving="plankton",
        card=DatasetCard(
            license="CC0 1.0",
            citation=ZOOLAKE,
            source="opendata.eawag.ch, doi 10.3389/fmicb.2021.746297",
            obtain=(
                "download data.zip of 'Deep Learning Classification of Zooplankton from Lakes' from opendata.eawag.ch as "
                "zoolake.zip, or its content into a folder 'zoolake'"
            ),
            totals={"": (0, 35)},
            modalities={"image": Modality(layout="image", shape=(1, 0, 0))},
        ),
    )
