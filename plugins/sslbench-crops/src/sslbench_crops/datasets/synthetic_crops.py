"""SYNTHETIC crop fields seen by two satellites, of a stated model. Spec only; the model is in `phenology`.

Part `pairs` is for pretraining. Parts `area-1` and `area-2` are series of other fields: `area-1` has the weather and the soil
of `pairs`, and in `area-2` growth is ten days late, the soil is darker and there is more haze.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import DatasetCard, DatasetSpec, NonNegativeFloat, NonNegativeInt, PositiveInt, hookimpl, setting
from sslbench_crops.citations import SSLBENCH
from sslbench_crops.datasets.crop_pairs import VALUES_A, VALUES_B
from sslbench_crops.modalities import Sensors, pair_modalities


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticCropsConfig:
    """Settings of generated fields of nine crops."""

    fields: PositiveInt = setting(40, "Fields of each crop in each part.")
    pixels: PositiveInt = setting(3, "Pixels of each field.")
    dates: PositiveInt = setting(36, "Dates of a year.")
    noise: NonNegativeFloat = setting(1.0, "Multiple of all disturbances of the sensors: haze, illumination and noise.")
    sensors: Sensors = setting("a", "Sensors of series: twelve bands (a), 3x3 pixels of four bands (b) or both.")
    seed: NonNegativeInt = setting(0, "Seed of the generator.")


def parts(config: SyntheticCropsConfig) -> tuple[str, ...]:
    """Return pairs for pretraining, and series of two areas."""
    return ("pairs", "area-1", "area-2")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[SyntheticCropsConfig]]:
    yield DatasetSpec(
        name="synthetic-crops",
        version=1,
        summary="SYNTHETIC: nine crops seen by two satellites, of a stated model of growth, weather, soil and noise; no data",
        citation=SSLBENCH,
        config=SyntheticCropsConfig,
        smoke=SyntheticCropsConfig(fields=2, pixels=1, dates=6),
        build="sslbench_crops.datasets.synthetic_crops_reader:open_part",
        parts=parts,
        card=DatasetCard(
            license="MIT",
            citation=SSLBENCH,
            source="SYNTHETIC: generated on demand",
            obtain="it is generated on demand",
            embedded=True,
            groups=("parcel",),
            modalities=pair_modalities(VALUES_A, VALUES_B),  # of the first part; the others are series
        ),
    )
