"""The frame of a joint-embedding method: one encoder, and a projector that is left behind after training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from sslbench.api import MethodParts, View
from sslbench.api.modules import Backbone, TrainedMethod


class Head(Protocol):
    """Make a head for features of a width."""

    def __call__(self, width: int) -> nn.Module: ...


class JointEmbedding(TrainedMethod):
    """Encode and project views of one modality; offers the space 'projector' beside the encoder's."""

    def __init__(self, parts: MethodParts, head: Head) -> None:
        super().__init__()
        self.modality, self.encoder = next(iter(parts.encoders.items()))
        self.projector = head(self.encoder.width)

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        return {self.modality: self.encoder}

    def embed(self, view: View) -> Mapping[str, Tensor]:
        """The encoder's feature, and the projector's."""
        feature = self.encoders[self.modality](*self.encoder_inputs(view))
        return {self.modality: feature, f"{self.modality}.projector": self.select_projector()(feature)}

    def select_projector(self) -> nn.Module:
        """The projector that belongs to the encoder that is kept."""
        return self.projector

    def encoder_inputs(self, view: View) -> tuple[Tensor, Tensor | None]:
        """What the encoder takes of a view."""
        return view[self.modality], view.get(f"{self.modality}.length")

    def project(self, view: View) -> Tensor:
        """A view -> [B, D], unnormalized."""
        projected: Tensor = self.projector(self.encoder(*self.encoder_inputs(view)))
        return projected


def rows_in_global_batch(world_rank: int, rows: Tensor) -> Tensor:
    """The places of a process's rows [B] in the batch of all processes."""
    return torch.arange(len(rows), device=rows.device) + world_rank * len(rows)
