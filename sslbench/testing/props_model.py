"""Implement the kit's encoder, and its method without training."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sslbench.api.modules import Backbone, Method
from sslbench.api.specs import MethodParts
from sslbench.api.values import Modality
from sslbench.testing.props import EncoderConfig, NoConfig

PATCH = 4


class Encoder(Backbone):
    """An encoder that embeds pieces of a sample with two layers and averages them.

    Provides tokens, depth and any size. Pieces are patches of images [C, H, W], steps of sequences, or whole samples.
    """

    def __init__(self, config: EncoderConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.spec, self.width = modality.spec, config.width
        self.has_patches = self.spec.has_size and len(modality.sides) == 2
        self.patch, self.prefix, self.depth = (PATCH, PATCH), 0, 2
        inside = modality.channels if self.spec.has_length else math.prod(modality.shape)
        self.first = nn.Linear(modality.channels * PATCH**2 if self.has_patches else inside, config.width)
        self.norm = nn.LayerNorm(config.width)
        self.second = nn.Linear(config.width, config.width)

    def pieces(self, x: Tensor) -> Tensor:
        """Split [B, *shape] into [B, N, values of a piece]."""
        if self.has_patches:
            return nn.functional.unfold(x, PATCH, stride=PATCH).transpose(1, 2)
        return x.movedim(self.spec.channel_axis + 1, -1) if self.spec.has_length else x.flatten(1).unsqueeze(1)

    def tokens(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return [B, N, width], or the K pieces of `keep` [B, K]."""
        pieces = self.pieces(self.normalize(x))
        if keep is not None:
            pieces = pieces.gather(1, keep.unsqueeze(-1).expand(-1, -1, pieces.shape[-1]))
        places = torch.arange(pieces.shape[1], device=x.device) if keep is None else keep
        embedded: Tensor = self.first(pieces) + torch.sin(places.unsqueeze(-1) / 3.0).to(pieces.dtype)
        return self.second(torch.relu(self.norm(embedded)))  # type: ignore[no-any-return]

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode [B, *shape] as [B, width]: the mean over pieces, or over the true steps of a padded sequence."""
        tokens = self.tokens(x)
        if length is None:
            return tokens.mean(1)
        inside = torch.arange(tokens.shape[1], device=x.device) < length.unsqueeze(1)
        return (tokens * inside.unsqueeze(-1)).sum(1) / length.unsqueeze(1)

    def depth_of(self, parameter: str) -> int:
        """Return 0 for the first layer, 1 for the norm, 2 for the second layer."""
        return ("first", "norm", "second").index(parameter.split(".")[0])


class AsIs(Method):
    """A method of untrained encoders."""

    def __init__(self, config: NoConfig, parts: MethodParts) -> None:
        super().__init__()
        self.kept = nn.ModuleDict(dict(parts.encoders))

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        """Return the encoders."""
        return dict(self.kept.items())  # type: ignore[arg-type]
