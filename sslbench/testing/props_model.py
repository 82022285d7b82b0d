"""Implement the kit's encoder, and its method without training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from sslbench.api.capabilities import mask_patches, select_patches, take_outputs
from sslbench.api.modules import Backbone, Method
from sslbench.api.specs import MethodParts
from sslbench.api.values import Modality
from sslbench.testing.props import EncoderConfig, NoConfig

PATCH = 4


class Encoder(Backbone):
    """An encoder that embeds pieces of a sample with two layers and averages them.

    It provides dense outputs, depth and any size. Pieces are patches of images, steps of sequences, or samples.
    """

    def __init__(self, config: EncoderConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.spec, self.width = modality.spec, config.width
        self.has_patches = self.spec.has_size and len(modality.sides) == 2
        self.patch, self.prefix, self.depth = (PATCH, PATCH), 0, 2
        self.patch_width, self.layer_count, self.map_widths = config.width, 2, (config.width,) * 2
        inside = modality.channels if self.spec.has_length else math.prod(modality.shape)
        self.first = nn.Linear(modality.channels * PATCH**2 if self.has_patches else inside, config.width)
        self.norm = nn.LayerNorm(config.width)
        self.second = nn.Linear(config.width, config.width)

    def pieces(self, x: Tensor) -> Tensor:
        """Split [B, *shape] into [B, N, values of a piece]."""
        if self.has_patches:
            return nn.functional.unfold(x, PATCH, stride=PATCH).transpose(1, 2)
        return x.movedim(self.spec.channel_axis + 1, -1) if self.spec.has_length else x.flatten(1).unsqueeze(1)

    def block_outputs(
        self, x: Tensor, keep: Tensor | None = None, mask: Tensor | None = None, mask_token: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield the tokens [B, K, width] after each layer; the norm between them belongs to the second."""
        embedded = mask_patches(self.first(self.pieces(self.normalize(x))), mask, mask_token)
        places = torch.arange(embedded.shape[1], device=x.device)
        tokens = select_patches(embedded + torch.sin(places.unsqueeze(-1) / 3.0).to(embedded.dtype), keep)
        yield tokens
        yield self.second(torch.relu(self.norm(tokens)))

    def tokens(
        self, x: Tensor, keep: Tensor | None = None, mask: Tensor | None = None, mask_token: Tensor | None = None
    ) -> Tensor:
        """Return [B, N, width], or the K pieces of `keep` [B, K]; pieces where `mask` is true are `mask_token`."""
        return take_outputs(self.block_outputs(x, keep, mask, mask_token), (-1,), self.layer_count)[0]

    def layers(self, x: Tensor, indices: Sequence[int], *, normalize: bool = True) -> tuple[Tensor, ...]:
        """Return the tokens after some of the layers; there is no last norm."""
        return take_outputs(self.block_outputs(x), indices, self.layer_count)

    def maps(self, x: Tensor, indices: Sequence[int] = (-1,)) -> tuple[Tensor, ...]:
        """Return the tokens of images as maps [B, width, H, W]."""
        grid = (x.shape[2] // PATCH, x.shape[3] // PATCH)
        return tuple(tokens.transpose(1, 2).reshape(len(x), -1, *grid) for tokens in self.layers(x, indices))

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
