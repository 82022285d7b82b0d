"""Generate the parts of the synthetic crops."""

from __future__ import annotations

import hashlib

import numpy as np

from sslbench.api import DataDescription, Source
from sslbench_crops.array_samples import ArraySamples
from sslbench_crops.datasets.synthetic_crops import SyntheticCropsConfig
from sslbench_crops.modalities import name_sensors, pair_modalities, series_modality
from sslbench_crops.phenology import CROPS, VALUES_A, VALUES_B, Area, dates_of_year, draw_wetness, grow_fields

NEAR, FAR = Area(), Area(late=10.0, soil=0.8, haze=1.4)
AREAS = {"pairs": NEAR, "area-1": NEAR, "area-2": FAR}
STREAMS = {name: number for number, name in enumerate(AREAS)}


class SyntheticCrops(ArraySamples):
    """Generated samples, described as such."""

    def describe(self) -> DataDescription:
        """State that the samples are synthetic."""
        return DataDescription(facts={"origin": "SYNTHETIC"}, notes=("SYNTHETIC: a stated model, no measurements",))


def open_part(config: SyntheticCropsConfig, source: Source) -> SyntheticCrops:
    """Generate a part: every date of every pixel is a pair, or every pixel is a series."""
    part = source.part or "pairs"
    rng = np.random.default_rng([config.seed, STREAMS[part]])
    days = dates_of_year(config.dates)
    wetness = draw_wetness(days, np.random.default_rng([config.seed, len(AREAS), AREAS[part] is FAR]))
    grown = grow_fields(AREAS[part], config.fields, config.pixels, days, wetness, config.noise, rng)
    pixel = np.arange(len(grown.crop))
    values, sizes = {"a": grown.a, "b": grown.b}, {"a": VALUES_A, "b": VALUES_B}
    if part == "pairs":
        date, pixel = np.tile(np.arange(config.dates), len(pixel)), np.repeat(pixel, config.dates)
        arrays = {f"step-{name}": values[name].reshape(-1, size) for name, size in sizes.items()}
        modalities = dict(pair_modalities(VALUES_A, VALUES_B))
        ids = np.char.add(np.char.add(pixel.astype(np.str_), "-"), date.astype(np.str_))
    else:
        names = name_sensors(config.sensors)
        arrays = {f"series-{name}": values[name] for name in names}
        modalities = {key: m for name in names for key, m in series_modality(name, config.dates, sizes[name]).items()}
        ids = pixel.astype(np.str_)
    columns = {"id": ids, "parcel": np.char.add(f"{part}-", grown.field[pixel].astype(np.str_))}
    classes = tuple(crop.name for crop in CROPS)

    def digest() -> str:
        return hashlib.blake2b(f"{config!r} {part}".encode(), digest_size=16).hexdigest()

    return SyntheticCrops(arrays, modalities, classes, grown.crop[pixel], columns, digest)
