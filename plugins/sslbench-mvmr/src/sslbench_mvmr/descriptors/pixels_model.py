"""Encode images as their normalized pixels."""

from __future__ import annotations

import math

from torch import Tensor

from sslbench.api import Modality
from sslbench.api.modules import Backbone, widen
from sslbench_mvmr.descriptors.pixels import PixelsConfig


class Pixels(Backbone):
    """Normalized pixels, channel by channel."""

    def __init__(self, config: PixelsConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.width = math.prod(modality.shape)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode images [B, C, H, W] -> [B, C * H * W]."""
        return widen(self.normalize(x)).flatten(1)
