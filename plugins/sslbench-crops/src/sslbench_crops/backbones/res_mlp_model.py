"""A residual multilayer perceptron for vectors."""

from __future__ import annotations

from torch import Tensor, nn

from sslbench.api import Modality
from sslbench.api.modules import Backbone, widen
from sslbench_crops.backbones.res_mlp import ResMlpConfig


class ResidualLayers(nn.Module):
    """Batch norm, linear, ReLU and linear, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, width] to [B, width]."""
        summed: Tensor = x + self.layers(x)
        return summed


class ResMlp(Backbone):
    """A linear layer and residual blocks; form `released` ends with batch norm, ReLU and a linear layer."""

    def __init__(self, config: ResMlpConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.width = config.width
        layers: list[nn.Module] = [nn.Linear(modality.channels, config.width)]
        layers += [ResidualLayers(config.width) for _ in range(config.blocks)]
        if config.form == "released":
            layers += [nn.BatchNorm1d(config.width), nn.ReLU(), nn.Linear(config.width, config.width)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode [B, D] as [B, width]."""
        return widen(self.layers(self.normalize(x)))
