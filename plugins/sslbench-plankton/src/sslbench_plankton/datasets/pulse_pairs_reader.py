"""Draw the individuals of `pulse-pairs`: four classes differ in the image, four in the pulse, four only in both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import Modality, Source, Target
from sslbench_plankton.datasets.pulse_pairs import PulsePairsConfig
from sslbench_plankton.pulses import Species, draw_image, draw_pulse, scale_counts

RED, ORANGE = (1.0, 0.5, 0.25, 0.5), (0.4, 0.6, 0.9, 0.5)
SPECIES = (
    Species(name="rod", kind="rod"),
    Species(name="rod bent", kind="rod", bent=True),
    Species(name="spindle", kind="spindle"),
    Species(name="spindle strands", kind="spindle", strands=True),
    Species(name="chain red", kind="chain", pigments=RED),
    Species(name="chain orange", kind="chain", pigments=ORANGE),
    Species(name="disc", kind="disc"),
    Species(name="disc ends", kind="disc", ends=True),
    Species(name="barbell red", kind="barbell", pigments=RED),
    Species(name="barbell orange", kind="barbell", pigments=ORANGE),
    Species(name="barbell bent red", kind="barbell", bent=True, pigments=RED),
    Species(name="barbell bent orange", kind="barbell", bent=True, pigments=ORANGE),
)
"""Pairs of neighbors: the first four by the image only, the next four by the pulse only, the last four by both only."""
BANDS, MARGIN = 6, 4
PARTS = {"lab": 0, "sea": 1, "uto": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Describe a source of particles: ranges of lengths and heights, deviation of the gain, and noise as a multiple."""

    lengths: tuple[float, float] = (28.0, 52.0)
    heights: tuple[float, float] = (5.0, 8.0)
    gain: float = 0.4
    noise: float = 1.0


LAB, SEA = Site(), Site(lengths=(22.0, 44.0), heights=(4.0, 7.0), gain=0.7, noise=2.0)


def labels_of(part: str, samples: int) -> NDArray[np.int64]:
    """Return the true classes of a part (not published for `uto`): equal in number, or halved every second class."""
    classes = len(SPECIES)
    if part == "sea":
        counts = [max(2, round(samples * 2 ** (-code / 2))) for code in range(classes)]
        return np.repeat(np.arange(classes, dtype=np.int64), counts)
    return np.arange(classes * samples * (2 if part == "uto" else 1), dtype=np.int64) % classes


class PulsePairs:
    """Every individual has a length, a height, a gain and a way round of its own, the same in image and pulse."""

    def __init__(self, config: PulsePairsConfig, part: str = "lab") -> None:
        self.config, self.part = config, part
        self.species = labels_of(part, config.samples)
        known = part != "uto"
        self.labels = self.species if known else np.full(len(self.species), -1, np.int64)
        names = tuple(species.name for species in SPECIES)
        self.target = Target(kind="class", names=names) if known else Target(kind="none")
        self.columns: Mapping[str, NDArray[np.str_]] = {"id": np.arange(len(self.labels)).astype(np.str_)}
        self.modalities: Mapping[str, Modality] = {
            "image": Modality(layout="image", shape=(1, 0, 0)),
            "profile": Modality(layout="sequence", shape=(0, BANDS)),
        }

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """One individual: its shadow, cut close, and the scaled pulse; the same whenever it is read."""
        site = LAB if self.part == "lab" else SEA
        own = np.random.default_rng([self.config.seed, PARTS[self.part], row])
        species = SPECIES[self.species[row]]
        length, height = own.uniform(*site.lengths), own.uniform(*site.heights)
        gain = float(np.exp(own.normal(0, site.gain)))
        shape = (int(4 * height) + 2 * MARGIN, int(length) + 2 * MARGIN)
        shadow = draw_image(species, length, height, shape, own)
        counts = draw_pulse(species, length, height, gain, site.noise * self.config.noise, own)
        if own.random() < 0.5:  # it came the other way round
            shadow, counts = shadow[:, :, ::-1], counts[::-1]
        if own.random() < 0.5:  # or rolled over, which the laser does not see
            shadow = shadow[:, ::-1]
        return {"image": np.ascontiguousarray(shadow), "profile": np.ascontiguousarray(scale_counts(counts))}

    def fingerprint(self) -> str:
        """A digest of the settings: what is drawn from them is this dataset's version."""
        return hashlib.blake2b(f"{self.config!r} {self.part}".encode(), digest_size=16).hexdigest()


def open_part(config: PulsePairsConfig, source: Source) -> PulsePairs:
    """Return the pairs of the requested part."""
    return PulsePairs(config, source.part)
