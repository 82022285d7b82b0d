"""Implement the kit's encoder, and its method without training."""

from __future__ import annotations

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

    Provides tokens, depth and any size. Pieces are patches of an image, steps of a sequence, or a whole vector.
    """

    def __init__(self, config: EncoderConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.layout, self.width = modality.layout, config.width
        self.patch, self.prefix, self.depth = (PATCH, PATCH), 0, 2
        inside = {"image": modality.shape[0] * PATCH**2, "sequence": modality.shape[-1], "vector": modality.shape[0]}
        self.first = nn.Linear(inside[modality.layout], config.width)
        self.norm = nn.LayerNorm(config.width)
        self.second = nn.Linear(config.width, config.width)

    def pieces(self, x: Tensor) -> Tensor:
        """Split [B, *shape] into [B, N, values of a piece]."""
        if self.layout == "image":
            return nn.functional.unfold(x, PATCH, stride=PATCH).transpose(1, 2)
        return x if self.layout == "sequence" else x.unsqueeze(1)

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
