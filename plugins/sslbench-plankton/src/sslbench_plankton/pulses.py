"""A particle that crosses a laser, and its image: a stated model, not data. Pure NumPy.

The particle is aligned with the flow. At position u (from -1 to 1 along its length) it has a half-height, a center line
and pigments.
The laser is a Gaussian sheet across the flow: what is detected at a time is the sum over the particle of its cross-section
(forward scatter), of cross-section times granularity (sideward scatter) and of cross-section times each pigment (four bands
of fluorescence), weighted by the sheet. So the pulse knows nothing of a bend or of parallel strands, and the image, in
transmitted light, nothing of pigments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["rod", "spindle", "chain", "disc", "barbell"]
LOG_LARGEST = 8.9211
"""The logarithm of 1 and the most counts, which scaling brings to 1 (released code of arXiv 2603.16427)."""
LARGEST = float(np.expm1(LOG_LARGEST))
BEAM, STEP = 2.0, 0.5
"""The sheet's deviation and the way between two samples, in pixels of the image."""
GROUND, SHADE, GRAIN = 200.0, 110.0, 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """Describe the properties that all individuals of a class share.

    `bent` and `strands` show in the image alone; `pigments` (one amount a band) and `ends` (pigments at the ends instead
    of everywhere) in the pulse alone; the kind in both.
    """

    name: str
    kind: Kind
    bent: bool = False
    strands: bool = False
    pigments: tuple[float, float, float, float] = (1.0, 0.5, 0.25, 0.5)
    ends: bool = False


def half_height(kind: Kind, u: Floats) -> Floats:
    """Half of a kind's height at places u [n] in [-1, 1], in shares of its largest."""
    edge = np.sqrt(np.clip(1 - u**2, 0, 1))
    shapes: dict[Kind, Floats] = {
        "rod": np.where(np.abs(u) < 0.95, 0.55, 0.3),
        "spindle": 1 - u**2,
        "chain": 0.35 + 0.5 * np.abs(np.cos(2.5 * np.pi * u)),
        "disc": edge,
        "barbell": np.maximum(0.25, np.sqrt(np.clip(1 - ((np.abs(u) - 0.7) / 0.3) ** 2, 0, 1))),
    }
    return np.where(np.abs(u) <= 1, shapes[kind], 0.0)


def draw_pulse(
    species: Species, length: float, height: float, gain: float, noise: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Counts [T, 6] of a particle of so many pixels; two scatters and four bands, from before it comes until it is gone."""
    times = np.arange(-length / 2 - 3 * BEAM, length / 2 + 3 * BEAM, STEP)
    places = np.linspace(-length / 2, length / 2, 128)
    u = 2 * places / length
    area = (height * half_height(species.kind, u)) ** 2
    where = (np.abs(u) > 0.5) if species.ends else np.ones_like(u)
    granularity = 0.2 + 0.1 * np.cos(6 * np.pi * u)
    sources = [area, area * granularity, *(area * where * amount for amount in species.pigments)]
    sheet = np.exp(-0.5 * ((times[:, None] - places[None]) / BEAM) ** 2)
    signal = gain * (sheet @ np.stack(sources, 1)) * (length / len(u))
    counts = rng.poisson(np.clip(signal, 0, LARGEST)) + np.abs(rng.normal(0, noise, signal.shape))
    return np.clip(counts, 0, LARGEST).astype(np.float32)


def draw_image(
    species: Species, length: float, height: float, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The particle's shadow [1, H, W] in transmitted light."""
    rows, columns = (np.arange(n, dtype=np.float64) - (n - 1) / 2 for n in shape)
    u: Floats = 2 * columns / length
    half = height * half_height(species.kind, u)
    center = 0.8 * height * (np.clip(u**2, 0, 1) - 0.4) if species.bent else np.zeros_like(u)
    offsets = np.array([-0.8, 0.8]) * height if species.strands else np.zeros(1)
    half = half / np.sqrt(len(offsets))  # as much cross-section, in so many strands
    distance = np.abs(rows[:, None, None] - center[None, :, None] - offsets).min(-1)
    inside = np.clip(half[None] - distance + 0.5, 0, 1) * (half > 0)
    shadow: Floats = GROUND - SHADE * inside + rng.normal(0, GRAIN, shape)
    return np.clip(np.round(shadow), 0, 255).astype(np.uint8)[None]


def scale_counts(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Counts as 2 log(1 + x) / 8.9211 - 1, which is -1 for none (the cross-modal plankton study's scaling)."""
    return (2 * np.log1p(counts) / LOG_LARGEST - 1).astype(np.float32)
