"""Define the encoder that a method or a protocol gets for a dependency, such as a teacher. Imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn

from sslbench.api.modality import Modality
from sslbench.api.modules import widen

if TYPE_CHECKING:
    from sslbench.api.modules import Backbone
    from sslbench.api.values import View


class FrozenEncoder(nn.Module):
    """An encoder that another component uses: it encodes views of any size, and nothing in it is ever trained.

    Its parameters have no gradient, and it stays in evaluation mode. Gradients flow through it to its input.
    encoder: the backbone, for its capabilities, such as tokens; it takes samples that `resize` returned.
    modality: name of the modality of a view that it takes.
    takes: shape, statistics and layout of the samples that the backbone was built for.
    """

    def __init__(self, encoder: Backbone, modality: str, takes: Modality) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.modality, self.takes, self.width = modality, takes, encoder.width
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, also where the component that uses the encoder is trained."""
        return super().train(False)

    def resize(self, x: Tensor) -> Tensor:
        """Return samples [B, *shape] in their natural range at the size of the backbone, antialiased."""
        spec, sides = self.takes.spec, self.takes.sides
        if not spec.has_size or spec.sides(tuple(x.shape[1:])) == sides:
            return x
        with torch.autocast(x.device.type, enabled=False):
            return self.takes.code.resize(widen(x), sides, None)

    def forward(self, view: View) -> Tensor:
        """Encode the modality of a view, which is in its natural range and of any size, as [B, width]."""
        features: Tensor = self.encoder(self.resize(view[self.modality]), view.get(f"{self.modality}.length"))
        return features
