"""Generate the values of two satellites for crop fields: a stated model, no measurements.

A field has a crop, a date of growth, a density and a soil. Weather shifts growth and wets the soil, the same for all fields
of an area. At every date a pixel is a mixture of green leaves, dry leaves and soil; each has a fixed spectrum. Both sensors
see the same mixture, and each adds disturbances of its own, which are independent of the other's:

- sensor a: twelve bands; haze, which brightens short wavelengths and dims all of them, and noise
- sensor b: 3x3 pixels of four bands; illumination, which scales all values, differences between the pixels, and noise

Numbers are chosen by hand to resemble reflectances. They describe no place, year or instrument.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Rng = np.random.Generator
WAVELENGTHS = np.array([443, 490, 560, 665, 705, 740, 783, 842, 865, 945, 1610, 2190.0])
"""Band centers of sensor a in nanometers."""
SOIL = np.array([0.08, 0.10, 0.13, 0.17, 0.19, 0.20, 0.22, 0.24, 0.25, 0.27, 0.34, 0.30])
GREEN = np.array([0.02, 0.03, 0.07, 0.03, 0.11, 0.30, 0.40, 0.44, 0.46, 0.46, 0.24, 0.11])
DRY = np.array([0.07, 0.09, 0.14, 0.20, 0.24, 0.28, 0.31, 0.34, 0.36, 0.37, 0.42, 0.33])
BANDS_B = [1, 2, 3, 8]
"""Bands of sensor a that sensor b measures too: blue, green, red and near infrared."""
NEIGHBORS = 9
VALUES_A, VALUES_B = len(WAVELENGTHS), NEIGHBORS * len(BANDS_B)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """Growth of a crop: days of the year of green-up and ripening, their durations, density, and days of cuts."""

    name: str
    green_up: float
    ripening: float
    growth: float
    decline: float
    density: float
    cuts: tuple[int, ...] = ()


CROPS = (
    Crop(name="wheat", green_up=85, ripening=190, growth=14, decline=7, density=0.85),
    Crop(name="rye", green_up=78, ripening=182, growth=13, decline=8, density=0.80),
    Crop(name="barley", green_up=80, ripening=170, growth=12, decline=6, density=0.82),
    Crop(name="oats", green_up=112, ripening=200, growth=11, decline=8, density=0.78),
    Crop(name="corn", green_up=160, ripening=262, growth=10, decline=11, density=0.88),
    Crop(name="oil seeds", green_up=64, ripening=174, growth=15, decline=9, density=0.90),
    Crop(name="root crops", green_up=150, ripening=278, growth=14, decline=15, density=0.84),
    Crop(name="meadows", green_up=70, ripening=305, growth=20, decline=20, density=0.70, cuts=(165, 235)),
    Crop(name="forage", green_up=76, ripening=295, growth=16, decline=16, density=0.76, cuts=(140, 182, 224, 266)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Weather and soil of an area: days by which growth is late, brightness of the soil, and multiple of the haze."""

    late: float = 0.0
    soil: float = 1.0
    haze: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CropPixels:
    """Values of both sensors [n, dates, D], and the crop and the field of every pixel [n]."""

    a: NDArray[np.float32]
    b: NDArray[np.float32]
    crop: NDArray[np.int64]
    field: NDArray[np.int64]


def dates_of_year(dates: int) -> Values:
    """Return equally spaced days of a year."""
    return (np.arange(dates) + 0.5) * 365 / dates


def leaf_shares(crop: Crop, days: Values, late: Values, density: Values) -> tuple[Values, Values]:
    """Return the shares of green and of dry leaves [n, dates] for fields that are `late` [n] days, with `density` [n]."""
    day = days[None] - late[:, None]
    risen = 1 / (1 + np.exp(-(day - crop.green_up) / crop.growth))
    ripe = 1 / (1 + np.exp(-(day - crop.ripening) / crop.decline))
    green = crop.density * density[:, None] * risen * (1 - ripe)
    for cut in crop.cuts:
        green = green * np.where(day >= cut, 1 - 0.75 * np.exp(-np.maximum(day - cut, 0) / 12), 1.0)
    stubble = np.exp(-np.maximum(day - crop.ripening, 0) / 40)
    dry = 0.6 * crop.density * density[:, None] * risen * ripe * stubble
    return np.clip(green, 0, 0.95), np.clip(dry, 0, 0.95)


def mix_spectra(green: Values, dry: Values, brightness: Values, wetness: Values) -> Values:
    """Return reflectances [n, dates, 12] of leaves over soil of a brightness [n]; wetness [dates] darkens the soil."""
    soil = brightness[:, None, None] * (1 - 0.35 * wetness[None, :, None]) * SOIL
    bare = np.clip(1 - green - dry, 0, 1)
    mixed: Values = green[..., None] * GREEN + dry[..., None] * DRY + bare[..., None] * soil
    return mixed


def observe_a(spectra: Values, haze: float, noise: float, rng: Rng) -> Values:
    """Return what sensor a measures [n, dates, 12]: haze of an exponential distribution, and noise."""
    thickness = rng.exponential(haze, spectra.shape[:2])[..., None]
    path = thickness * (WAVELENGTHS[1] / WAVELENGTHS) ** 1.3
    measured: Values = spectra * np.exp(-thickness) + path + noise * rng.normal(size=spectra.shape)
    return measured


def observe_b(spectra: Values, light: float, noise: float, rng: Rng) -> Values:
    """Return what sensor b measures [n, dates, 36]: illumination, differences between nine pixels, and noise."""
    count, dates, _ = spectra.shape
    bands = spectra[..., None, BANDS_B] * (1 + 0.05 * rng.normal(size=(count, 1, NEIGHBORS, 1)))
    illumination = np.exp(light * rng.normal(size=(count, dates, 1, 1)))
    return (bands * illumination + noise * rng.normal(size=bands.shape)).reshape(count, dates, VALUES_B)


def draw_wetness(days: Values, rng: Rng) -> Values:
    """Return the wetness of the soil [dates], from 0 to 1: rain on some dates, which dries within two more."""
    rain = rng.exponential(0.3, len(days)) * (rng.random(len(days)) < 0.4)
    wetness: Values = np.clip(np.convolve(rain, [0.6, 0.3, 0.1])[: len(days)], 0, 1)
    return wetness


def grow_fields(
    area: Area, fields: int, pixels: int, days: Values, wetness: Values, noise: float, rng: Rng
) -> CropPixels:
    """Generate `fields` fields of every crop with `pixels` pixels each; `noise` multiplies all disturbances of sensors."""
    a, b = [], []
    for crop in CROPS:
        late = np.repeat(area.late + 8 * rng.normal(size=fields), pixels)
        density = np.repeat(1 + 0.1 * rng.normal(size=fields), pixels) * (1 + 0.05 * rng.normal(size=fields * pixels))
        brightness = np.repeat(area.soil * np.exp(0.15 * rng.normal(size=fields)), pixels)
        green, dry = leaf_shares(crop, days, late, density)
        spectra = mix_spectra(green, dry, brightness, wetness)
        a.append(observe_a(spectra, 0.08 * area.haze * noise, 0.008 * noise, rng).astype(np.float32))
        b.append(observe_b(spectra, 0.15 * noise, 0.01 * noise, rng).astype(np.float32))
    each = fields * pixels
    field = np.arange(len(CROPS) * fields, dtype=np.int64)
    return CropPixels(
        a=np.concatenate(a),
        b=np.concatenate(b),
        crop=np.repeat(np.arange(len(CROPS), dtype=np.int64), each),
        field=np.repeat(field, pixels),
    )
