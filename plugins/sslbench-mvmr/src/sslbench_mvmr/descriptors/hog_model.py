"""Encode images as histograms of oriented gradients (Dalal and Triggs 2005), one per cell and channel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sslbench.api import Modality
from sslbench.api.modules import Backbone, equation
from sslbench_mvmr.descriptors.hog import Binning, Gradient, HogConfig

SMOOTHING = {"sobel": (1.0, 2.0, 1.0), "central": (0.0, 1.0, 0.0)}
"""Weights across the direction of the difference."""


@equation
def gradients(images: Tensor, gradient: Gradient) -> tuple[Tensor, Tensor]:
    """Return the differences along rows (down) and columns (right) of images, each [B, C, H, W]; borders are repeated."""
    channels = images.shape[1]
    difference = images.new_tensor((-1.0, 0.0, 1.0))
    across = images.new_tensor(SMOOTHING[gradient])
    kernels = torch.stack([torch.outer(difference, across), torch.outer(across, difference)])
    padded = nn.functional.pad(images, (1, 1, 1, 1), mode="replicate")
    weight = kernels.repeat(channels, 1, 1)[:, None]
    found = nn.functional.conv2d(padded, weight, groups=channels)
    return found[:, ::2], found[:, 1::2]


@equation
def oriented_histograms(down: Tensor, right: Tensor, bins: int, cell: int, binning: Binning) -> Tensor:
    """Return the mean of binned gradients [B, C, H, W] over cells: [B, C, bins, H // cell, W // cell].

    'linear': a gradient of magnitude m, between two bins, adds m (1 - f) to the lower one and m f to the upper one, where f
    is its distance from the lower one in bins. 'released': m and 1 - m.
    """
    magnitude = torch.hypot(down, right)
    position = torch.atan2(down, right) / math.pi * bins
    lower = position.floor()
    upper_share = (position - lower) * magnitude if binning == "linear" else 1 - magnitude
    lower_share = magnitude - upper_share if binning == "linear" else magnitude
    numbers = lower.long()
    histogram = magnitude.new_zeros(*magnitude.shape[:2], bins, *magnitude.shape[2:])
    for shift, share in ((0, lower_share), (1, upper_share)):
        histogram.scatter_add_(2, ((numbers + shift) % bins)[:, :, None], share[:, :, None])
    pooled = nn.functional.avg_pool2d(histogram.flatten(0, 1), cell)
    return pooled.view(*magnitude.shape[:2], *pooled.shape[1:])


class Hog(Backbone):
    """Histograms of the normalized pixels' gradients."""

    def __init__(self, config: HogConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.config = config
        channels, height, width = modality.shape
        self.width = channels * config.bins * (height // config.cell) * (width // config.cell)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode images [B, C, H, W] -> [B, C * bins * cells]."""
        config = self.config
        down, right = gradients(self.normalize(x), config.gradient)
        return oriented_histograms(down, right, config.bins, config.cell, config.binning).flatten(1)
