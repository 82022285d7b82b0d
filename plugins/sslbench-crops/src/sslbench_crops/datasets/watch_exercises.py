"""Physiotherapy exercises recorded by a watch: accelerometer and gyroscope at the same instant. Spec only.

Part `pairs` is for pretraining: side 0 of the subjects that are not held out. Parts `side-0` and `side-1` are series of the
subjects that are. It is not crop data: two sensors of one instant take the place of two satellites.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, NonEmpty, PositiveInt, hookimpl, setting
from sslbench_crops.citations import WATCH_EXERCISES
from sslbench_crops.modalities import Sensors


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchExercisesConfig:
    """Settings of the recordings of a watch."""

    root: Path | None = setting(
        None, "Folder or file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    title: str = setting("", "Name of the data in tables, records and files ('': the dataset's name).")
    file: str = setting("watch.npz", "File of the recordings below `root`.", names_file=True)
    held_out: NonEmpty[PositiveInt] = setting((6, 7, 8, 9, 10), "Subjects of the parts `side-0` and `side-1`.")
    instants: PositiveInt = setting(8, "Consecutive instants of one step: 24 values of each sensor.")
    stride: PositiveInt = setting(8, "Instants from the beginning of one pair to that of the next.")
    steps: PositiveInt = setting(32, "Steps of a series; series lie within one recording and do not overlap.")
    sensors: Sensors = setting("a", "Sensors of series: accelerometer (a), gyroscope (b) or both.")


def title(config: WatchExercisesConfig) -> str:
    """Name the data by its title, where it has one."""
    return config.title


def parts(config: WatchExercisesConfig) -> tuple[str, ...]:
    """Return pairs for pretraining, and series of both sides."""
    return ("pairs", "side-0", "side-1")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[WatchExercisesConfig]]:
    yield DatasetSpec(
        name="watch-exercises",
        version=1,
        summary="seven exercises of ten people, recorded by a watch: accelerometer (a) and gyroscope (b); not crops",
        citation=WATCH_EXERCISES,
        config=WatchExercisesConfig,
        smoke=WatchExercisesConfig(),
        build="sslbench_crops.datasets.watch_exercises_reader:open_part",
        parts=parts,
        title=title,
        card=DatasetCard(
            license="BSD-3-Clause",
            citation=WATCH_EXERCISES,
            source="seglearn 1.2.5, seglearn/data/watch_dataset.npy",
            obtain=(
                "convert watch_dataset.npy of the package seglearn to watch.npz: values [instants, 6], and length, exercise, "
                "subject and side of every recording, with exercise_names"
            ),
            groups=("subject",),
        ),
    )
