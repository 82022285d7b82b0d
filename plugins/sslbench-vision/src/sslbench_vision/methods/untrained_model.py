"""Methods without training: given encoders, and raw data as features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from sslbench.api import MethodParts, Modality
from sslbench.api.modules import Backbone, Method
from sslbench_vision.methods.random_init import RandomInitConfig
from sslbench_vision.methods.raw_features import RawFeaturesConfig


class Untrained(Method):
    """Encoders that are evaluated without training."""

    def __init__(self, encoders: Mapping[str, Backbone], notes: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.kept = nn.ModuleDict(dict(encoders))
        self._notes = dict(notes or {})

    def notes(self) -> Mapping[str, str]:
        """Return the notes for the record."""
        return self._notes

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        return {name: cast(Backbone, module) for name, module in self.kept.items()}


class RandomInit(Untrained):
    """Encoders with random weights."""

    def __init__(self, config: RandomInitConfig, parts: MethodParts) -> None:
        super().__init__(parts.encoders)


class RawFeatures(Untrained):
    """The data itself as features, for each modality."""

    def __init__(self, config: RawFeaturesConfig, parts: MethodParts) -> None:
        super().__init__(
            {name: RawEncoder(modality, config.side) for name, modality in parts.context.modalities.items()}
        )


class RawEncoder(Backbone):
    """Data as features: images averaged to at most `side` pixels, vectors as they are, sequences as four moments."""

    def __init__(self, modality: Modality, side: int) -> None:
        super().__init__(modality)
        self.layout = modality.layout
        self.size = (min(side, modality.shape[1]), min(side, modality.shape[2])) if self.layout == "image" else (0, 0)
        self.dense = 0 not in modality.shape
        widths = {
            "image": modality.shape[0] * self.size[0] * self.size[1],
            "vector": modality.shape[0],
            "sequence": modality.shape[0] * modality.shape[-1] if self.dense else 4 * modality.shape[-1],
        }
        self.width = widths[self.layout]

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode samples [B, *shape] -> [B, width]."""
        if self.layout == "image":
            return nn.functional.adaptive_avg_pool2d(x, self.size).flatten(1)
        if self.layout == "vector" or self.dense:
            return x.flatten(1)
        steps = torch.arange(x.shape[1], device=x.device)
        n = torch.full((len(x),), x.shape[1], device=x.device) if length is None else length
        inside = (steps.unsqueeze(0) < n.unsqueeze(1)).unsqueeze(-1)
        count = n.clamp(min=1).view(-1, 1).to(x.dtype)
        mean = (x * inside).sum(1) / count
        deviation = torch.sqrt((((x - mean.unsqueeze(1)) ** 2) * inside).sum(1) / count)
        low = x.masked_fill(~inside, float("inf")).amin(1)
        high = x.masked_fill(~inside, float("-inf")).amax(1)
        return torch.cat([mean, deviation, low, high], dim=1)
