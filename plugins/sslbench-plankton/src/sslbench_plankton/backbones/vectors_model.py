"""Fully connected layers on a standardized vector."""

from __future__ import annotations

from torch import Tensor, nn

from sslbench.api import Modality
from sslbench.api.modules import Backbone, widen
from sslbench_plankton.backbones.vectors import VectorMlpConfig


class VectorMlp(Backbone):
    """Linear, batch norm and ReLU, `depth` times."""

    def __init__(self, config: VectorMlpConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.width, self.clip = config.width, config.clip
        layers: list[nn.Module] = []
        inside = modality.shape[0]
        for _ in range(config.depth):
            layers += [nn.Linear(inside, config.width, bias=False), nn.BatchNorm1d(config.width), nn.ReLU()]
            inside = config.width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """[B, D] -> [B, width]."""
        return widen(self.layers(self.normalize(x).clamp(-self.clip, self.clip)))
