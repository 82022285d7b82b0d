"""Draw the individuals of `pulse-pairs`: four classes that the picture tells apart, four the pulse, four only both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import Modality, Target
from sslbench_plankton.datasets.pulse_pairs import PulsePairsConfig
from sslbench_plankton.pulses import Species, picture, pulse, scaled

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
"""Pairs of neighbours: the first four by the picture only, the next four by the pulse only, the last four by both only."""
BANDS, MARGIN = 6, 4


class PulsePairs:
    """Every individual has a length, a height, a gain and a way round of its own, the same in picture and pulse."""

    def __init__(self, config: PulsePairsConfig) -> None:
        self.config = config
        self.labels = np.arange(len(SPECIES) * config.samples, dtype=np.int64) % len(SPECIES)
        self.target = Target(kind="class", names=tuple(species.name for species in SPECIES))
        self.columns: Mapping[str, NDArray[np.str_]] = {"id": np.arange(len(self.labels)).astype(np.str_)}
        self.modalities: Mapping[str, Modality] = {
            "image": Modality(layout="image", shape=(1, 0, 0)),
            "profile": Modality(layout="sequence", shape=(0, BANDS)),
        }

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """One individual: its shadow, cut close, and the scaled pulse; the same whenever it is read."""
        own = np.random.default_rng([self.config.seed, row])
        species = SPECIES[self.labels[row]]
        length, height = own.uniform(28, 52), own.uniform(5, 8)
        gain = float(np.exp(own.normal(0, 0.4)))
        shape = (int(4 * height) + 2 * MARGIN, int(length) + 2 * MARGIN)
        shadow = picture(species, length, height, shape, own)
        counts = pulse(species, length, height, gain, self.config.noise, own)
        if own.random() < 0.5:  # it came the other way round
            shadow, counts = shadow[:, :, ::-1], counts[::-1]
        if own.random() < 0.5:  # or rolled over, which the laser does not see
            shadow = shadow[:, ::-1]
        return {"image": np.ascontiguousarray(shadow), "profile": np.ascontiguousarray(scaled(counts))}

    def fingerprint(self) -> str:
        """A digest of the settings: what is drawn from them is this dataset's version."""
        return hashlib.blake2b(repr(self.config).encode(), digest_size=16).hexdigest()
