"""Methods without training: given encoders, and raw data as features."""

from __future__ import annotations

import math
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
    """Data as features: averaged to at most `side` pixels, samples of varying length as four moments, others as they are."""

    def __init__(self, modality: Modality, side: int) -> None:
        super().__init__(modality)
        self.is_ragged = modality.is_ragged
        self.size = tuple(min(side, own) for own in modality.sides) if modality.spec.has_size else ()
        values = modality.spec.with_sides(modality.shape, self.size) if self.size else modality.shape
        self.width = 4 * math.prod(modality.shape[1:]) if self.is_ragged else math.prod(values)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode samples [B, *shape] -> [B, width]."""
        if self.size:
            return nn.functional.interpolate(x, self.size, mode="area").flatten(1)
        if not self.is_ragged:
            return x.flatten(1)
        x = x.flatten(2)
        steps = torch.arange(x.shape[1], device=x.device)
        n = torch.full((len(x),), x.shape[1], device=x.device) if length is None else length
        inside = (steps.unsqueeze(0) < n.unsqueeze(1)).unsqueeze(-1)
        count = n.clamp(min=1).view(-1, 1).to(x.dtype)
        mean = (x * inside).sum(1) / count
        deviation = torch.sqrt((((x - mean.unsqueeze(1)) ** 2) * inside).sum(1) / count)
        low = x.masked_fill(~inside, float("inf")).amin(1)
        high = x.masked_fill(~inside, float("-inf")).amax(1)
        return torch.cat([mean, deviation, low, high], dim=1)
