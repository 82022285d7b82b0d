"""Encode images by the scattering transform of second order (Bruna and Mallat 2013), with Morlet wavelets.

|x * psi| is averaged by a Gaussian phi, and so is ||x * psi| * psi'| for coarser psi'. The filters are those of kymatio, so
that values can be compared: width 0.8 * 2^j, center frequency 3 pi / 4 / 2^j, and eccentricity 4 / L for scale j and L
directions.
Convolutions are products in the Fourier domain, and every result is kept at the resolution of its scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sslbench.api import Modality
from sslbench.api.modules import Backbone, equation
from sslbench_mvmr.descriptors.scattering import ScatteringConfig, padded_side

WIDTH, FREQUENCY = 0.8, 0.75 * math.pi
REPETITIONS = range(-2, 3)
"""Periods over which a filter is summed, so that it is periodic on its grid."""


def gabor(size: tuple[int, int], width: float, angle: float, frequency: float, eccentricity: float) -> Tensor:
    """Return a periodic Gabor function [H, W], complex: a wave in direction `angle` under a Gaussian of sum 1."""
    rows, columns = (torch.arange(n, dtype=torch.float64) for n in size)
    cosine, sine = math.cos(angle), math.sin(angle)
    total = torch.zeros(size, dtype=torch.complex128)
    for down in REPETITIONS:
        for right in REPETITIONS:
            y, x = torch.meshgrid(rows + down * size[0], columns + right * size[1], indexing="ij")
            along, across = y * cosine + x * sine, x * cosine - y * sine
            envelope = torch.exp(-(along.square() + (eccentricity * across).square()) / (2 * width**2))
            total += envelope * torch.exp(1j * frequency * along)
    return total * eccentricity / (2 * math.pi * width**2)


def morlet(size: tuple[int, int], width: float, angle: float, frequency: float, eccentricity: float) -> Tensor:
    """Return a Morlet wavelet [H, W], complex: a Gabor function minus the multiple of its Gaussian that makes its sum 0."""
    wave = gabor(size, width, angle, frequency, eccentricity)
    envelope = gabor(size, width, angle, 0.0, eccentricity)
    return wave - wave.sum() / envelope.sum() * envelope


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilterBank:
    """Filters in the Fourier domain, real: wavelets [J, L, H, W] by scale and direction, and the average [H, W]."""

    wavelets: Tensor
    average: Tensor


def make_filters(size: tuple[int, int], scales: int, angles: int) -> FilterBank:
    """Return the filters for images of a size that is a multiple of 2^scales."""
    wavelets = [
        [
            morlet(size, WIDTH * 2**j, (angles // 2 - 1 - k) * math.pi / angles, FREQUENCY / 2**j, 4 / angles)
            for k in range(angles)
        ]
        for j in range(scales)
    ]
    average = gabor(size, WIDTH * 2 ** (scales - 1), 0.0, 0.0, 1.0)
    return FilterBank(
        wavelets=torch.fft.fft2(torch.stack([torch.stack(one) for one in wavelets])).real.float(),
        average=torch.fft.fft2(average).real.float(),
    )


def crop_spectrum(spectrum: Tensor, factor: int) -> Tensor:
    """Return the low frequencies of a filter's spectrum [..., H, W]: [..., H / factor, W / factor]."""
    for axis in (-2, -1):
        size = spectrum.shape[axis]
        half = size // factor // 2
        low, high = spectrum.narrow(axis, 0, half), spectrum.narrow(axis, size - half, half)
        spectrum = torch.cat([low, high], axis)
    return spectrum


def decimate(spectrum: Tensor, factor: int) -> Tensor:
    """Return the spectrum of every `factor`-th row and column of an image, from the image's spectrum [..., H, W]."""
    height, width = spectrum.shape[-2:]
    parts = spectrum.reshape(*spectrum.shape[:-2], factor, height // factor, factor, width // factor)
    return parts.mean((-4, -2))


@equation
def scatter(images: Tensor, wavelets: Tensor, average: Tensor) -> Tensor:
    """Return the coefficients [B, K, H / 2^J, W / 2^J] of periodic images [B, H, W].

    wavelets: [J, L, H, W]; average: [H, W]; both real, in the Fourier domain.
    K = 1 + J L + L^2 J (J - 1) / 2: the average, then first order by scale and direction, then second order by the first
    wavelet's scale and direction and the second's.
    """
    scales = len(wavelets)

    def smooth(spectrum: Tensor, scale: int) -> Tensor:
        product = spectrum * crop_spectrum(average, 2**scale)
        smoothed: Tensor = torch.fft.ifft2(decimate(product, 2 ** (scales - scale))).real
        return smoothed

    spectrum = torch.fft.fft2(images)
    first, second = [], []
    for j, ones in enumerate(wavelets):
        waves = torch.fft.fft2(torch.fft.ifft2(decimate(spectrum[:, None] * ones, 2**j)).abs())
        first.append(smooth(waves, j))
        for k in range(j + 1, scales):
            coarser = crop_spectrum(wavelets[k], 2**j)
            both = torch.fft.ifft2(decimate(waves[:, :, None] * coarser, 2 ** (k - j))).abs()
            second.append(smooth(torch.fft.fft2(both), k))
    # for each first wavelet, its second ones of all scales are next to each other
    ordered = [torch.cat(second[start : start + count], 2).flatten(1, 2) for start, count in _second_orders(scales)]
    return torch.cat([smooth(spectrum, 0)[:, None], *first, *ordered], 1)


def _second_orders(scales: int) -> list[tuple[int, int]]:
    """Return, for each first scale with coarser ones, the number of its first pair of scales and their count."""
    counts = [scales - 1 - j for j in range(scales - 1)]
    return [(sum(counts[:j]), count) for j, count in enumerate(counts)]


class Scattering(Backbone):
    """Scattering coefficients of the normalized pixels, channel by channel; images are reflected at the border."""

    def __init__(self, config: ScatteringConfig, modality: Modality) -> None:
        super().__init__(modality)
        channels, *sides = modality.shape
        height, width = (padded_side(side, config.scales) for side in sides)
        filters = make_filters((height, width), config.scales, config.angles)
        # they follow from the settings, and would make every saved state larger
        self.register_buffer("wavelets", filters.wavelets, persistent=False)
        self.register_buffer("average", filters.average, persistent=False)
        (top, bottom), (left, right) = (
            ((padded - side) // 2, (padded - side + 1) // 2)
            for padded, side in zip((height, width), sides, strict=True)
        )
        self.margins = (left, right, top, bottom)
        scales, angles, unit = config.scales, config.angles, 2**config.scales
        self.coefficients = 1 + scales * angles + angles**2 * scales * (scales - 1) // 2
        self.width = channels * self.coefficients * (height // unit - 2) * (width // unit - 2)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode images [B, C, H, W] -> [B, C * K * positions]."""
        padded = nn.functional.pad(self.normalize(x), self.margins, mode="reflect")
        found = scatter(padded.flatten(0, 1), self.get_buffer("wavelets"), self.get_buffer("average"))
        return found[..., 1:-1, 1:-1].reshape(len(x), -1)
