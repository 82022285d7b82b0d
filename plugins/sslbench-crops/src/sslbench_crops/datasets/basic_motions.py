"""Four motions recorded by a watch: accelerometer and gyroscope at the same instant. Spec only; see `basic_motions_reader`.

The official split has 40 training and 40 test series. The files do not state who was recorded, so that a person may occur
on both sides of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, PositiveInt, hookimpl, setting
from sslbench_crops.citations import BASIC_MOTIONS
from sslbench_crops.modalities import Sensors


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicMotionsConfig:
    """Settings of the archive's files BasicMotions_TRAIN.ts and BasicMotions_TEST.ts."""

    root: Path | None = setting(
        None, "Folder of the dataset (null: search the usual folders; see sslbench data where)."
    )
    title: str = setting("", "Name of the data in tables, records and files ('': the dataset's name).")
    instants: PositiveInt = setting(8, "Consecutive instants of one step: 24 values of each sensor.")
    stride: PositiveInt = setting(8, "Instants from the beginning of one pair to that of the next.")
    sensors: Sensors = setting("a", "Sensors of series: accelerometer (a), gyroscope (b) or both.")


def title(config: BasicMotionsConfig) -> str:
    """Name the data by its title, where it has one."""
    return config.title


def parts(config: BasicMotionsConfig) -> tuple[str, ...]:
    """Return pairs for pretraining, and series."""
    return ("pairs", "series")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[BasicMotionsConfig]]:
    yield DatasetSpec(
        name="basic-motions",
        version=1,
        summary="standing, walking, running and badminton with a watch: accelerometer (a) and gyroscope (b); not crops",
        citation=BASIC_MOTIONS,
        config=BasicMotionsConfig,
        smoke=BasicMotionsConfig(),
        build="sslbench_crops.datasets.basic_motions_reader:open_part",
        parts=parts,
        title=title,
        card=DatasetCard(
            license="not stated",
            citation=BASIC_MOTIONS,
            source="UEA archive, BasicMotions",
            obtain="download BasicMotions from the UEA archive of multivariate time series, as .ts files",
            groups=("recording",),
        ),
    )
