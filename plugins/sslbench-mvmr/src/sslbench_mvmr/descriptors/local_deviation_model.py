"""Encode images as the standard deviation of a box around each pixel (MV-MR, section 3.3)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from sslbench.api import Modality
from sslbench.api.modules import Backbone, equation
from sslbench_mvmr.descriptors.local_deviation import LocalDeviationConfig

EPSILON = 1e-8


@equation
def local_deviation(images: Tensor, radius: int) -> Tensor:
    """Return sqrt(E x^2 - (E x)^2 + 1e-8) [B, C, H, W] over boxes of (2 radius + 1)^2 pixels.

    Images [B, C, H, W] are reflected at the border, as the published text does not state what is outside. Rounding below 0
    gives 0, where the released code replaces NaN by 0.
    """
    padded = nn.functional.pad(images, (radius,) * 4, mode="reflect")
    side = 2 * radius + 1
    mean, square = (nn.functional.avg_pool2d(x, side, 1) for x in (padded, padded.square()))
    return (square - mean.square() + EPSILON).clamp_min(0).sqrt()


class LocalDeviation(Backbone):
    """Local standard deviation of the normalized pixels, channel by channel."""

    def __init__(self, config: LocalDeviationConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.radius = config.radius
        self.width = math.prod(modality.shape)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode images [B, C, H, W] -> [B, C * H * W]."""
        return local_deviation(self.normalize(x), self.radius).flatten(1)
